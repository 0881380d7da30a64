//! Credentials against those of other implementations, and every refusal of `--add-scram`.

use super::*;

fn credential(text: &str) -> UserScramCredentialRecord {
    parse(text, || b"random".to_vec()).unwrap()
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine as _;
    ::base64::prelude::BASE64_STANDARD.encode(bytes)
}

/// The user of RFC 7677's example; other servers keep these keys of it.
#[test]
fn the_user_of_the_rfc_gets_the_keys_known_for_it() {
    let record = credential("SCRAM-SHA-256=[name=user,password=pencil,salt=W22ZaJ0SNY7soEsUEjb6gQ==]");
    assert_eq!(base64(&record.stored_key), "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
    assert_eq!(base64(&record.server_key), "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
    assert_eq!((record.name.as_str(), record.mechanism, record.iterations), ("user", 1, 4096));
}

/// As `kafka-storage format` of Kafka 4.3.1 writes it.
#[test]
fn a_salted_password_is_taken_as_it_is() {
    let record = credential("SCRAM-SHA-512=[name=bob,iterations=8192,salt=\"N3E=\",saltedpassword=\"YCE=\"]");
    let expected = "cXajSfkesuEdmelXMIE1FvL2RXPfwlrmGKyq6ai/1my6GnQBkALTiDfj8bysiAAVsysjd15xpW2sEiappLOxvQ==";
    assert_eq!(base64(&record.stored_key), expected);
    assert_eq!((record.mechanism, record.iterations, &record.salt[..]), (2, 8192, &b"7q"[..]));
}

#[test]
fn without_a_salt_it_is_random() {
    assert_eq!(&credential("SCRAM-SHA-256=[name=a,password=b]").salt[..], b"random");
    assert_eq!(&credential("SCRAM-SHA-256=[name=a,password=b,salt=]").salt[..], b"");
}

#[test]
fn components_are_read_as_kafka_reads_them() {
    let expected = credential("SCRAM-SHA-256=[name=a,password=b=c,salt=N3E=]");
    for same in [
        " SCRAM-SHA-256=[name=a,password=b=c,salt=N3E=] ",
        "SCRAM-SHA-256=[salt=N3E=,password=b=c,name=a]",
        "SCRAM-SHA-256=[name=\"a\",password=\"b=c\",salt=\"N3E=\"]",
        "SCRAM-SHA-256=[name=x,name=a,password=b=c,salt=N3E]",
        "SCRAM-SHA-256=[name=a,password=b=c,salt=N3E=,saltedpassword=??,iterations=+4096,,]",
    ] {
        assert_eq!(credential(same), expected, "{same}");
    }
}

#[test]
fn what_kafka_refuses_is_refused_in_its_words() {
    for (text, expected) in [
        ("x", "Failed to find equals sign in SCRAM argument 'x'"),
        ("SCRAM-SHA-1=[name=a,password=b]", "The add-scram mechanism SCRAM-SHA-1 is not supported."),
        ("SCRAM-SHA-256=name=a", "Expected configuration string to start with ["),
        ("SCRAM-SHA-256=[name=a", "Expected configuration string to end with ]"),
        ("SCRAM-SHA-256=[]", "No equals sign found in SCRAM component: "),
        ("SCRAM-SHA-256=[name]", "No equals sign found in SCRAM component: name"),
        ("SCRAM-SHA-256=[name=a,,password=b]", "No equals sign found in SCRAM component: "),
        ("SCRAM-SHA-256=[password=b]", "You must supply 'name' to add-scram"),
        ("SCRAM-SHA-256=[name=a]", "You must supply one of 'password' or 'saltedpassword' to add-scram"),
        ("SCRAM-SHA-256=[name=a,saltedpassword=YQ==]", "You must supply 'salt' with 'saltedpassword' to add-scram"),
        ("SCRAM-SHA-256=[name=a,salt=!!,password=b]", "Failed to decode given salt: !!"),
        ("SCRAM-SHA-256=[name=a,salt=YQ==,saltedpassword=!!]", "Failed to decode given saltedPassword"),
        ("SCRAM-SHA-256=[name=a,password=b,iterations=x]", "Failed to parse iterations count: x"),
        ("SCRAM-SHA-256=[name=a,password=b,y=1,x=2]", "Unknown SCRAM configurations: x, y"),
        (
            "SCRAM-SHA-256=[name=a,password=b,iterations=4095]",
            "The 'iterations' value must be >= 4096 for add-scram using SCRAM_SHA_256",
        ),
        (
            "SCRAM-SHA-512=[name=a,password=b,iterations=-1]",
            "The 'iterations' value must be >= 4096 for add-scram using SCRAM_SHA_512",
        ),
        (
            "SCRAM-SHA-512=[name=a,password=b,iterations=16385]",
            "The 'iterations' value must be <= 16384 for add-scram using SCRAM_SHA_512",
        ),
        ("SCRAM-SHA-256=[name=a,password=]", "Empty key: the password of a has no letter"),
        ("SCRAM-SHA-256=[name=a,salt=YQ==,saltedpassword=]", "Empty key: the password of a has no letter"),
    ] {
        assert_eq!(parse(text, Vec::new).unwrap_err().to_string(), expected, "{text}");
    }
}
