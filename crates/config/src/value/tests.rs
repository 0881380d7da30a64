//! Values are read and written as Kafka's ConfigDef does.

use super::*;

fn parse(text: &str, config_type: ConfigType) -> Result<String, String> {
    Value::parse("c", text, config_type)
        .map(|value| value.to_text().unwrap_or_else(|| "null".to_owned()))
        .map_err(|error| error.to_string())
}

#[test]
fn values_are_trimmed_and_normalised() {
    assert_eq!(parse(" 5000 ", ConfigType::Long), Ok("5000".into()));
    assert_eq!(parse("+5", ConfigType::Long), Ok("5".into()));
    assert_eq!(parse(" TRUE\t", ConfigType::Boolean), Ok("true".into()));
    assert_eq!(parse("compact , delete", ConfigType::List), Ok("compact,delete".into()));
    assert_eq!(parse(" ", ConfigType::List), Ok(String::new()));
    assert_eq!(Value::parse("c", "a,", ConfigType::List), Ok(Value::List(vec!["a".into(), String::new()])));
}

#[test]
fn doubles_read_and_look_as_in_java() {
    for (text, shown) in [
        ("0.25f", "0.25"),
        ("1", "1.0"),
        ("1e7", "1.0E7"),
        ("1.7976931348623157E308", "1.7976931348623157E308"),
        ("-.5d", "-0.5"),
        ("0.0001", "1.0E-4"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
    ] {
        assert_eq!(parse(text, ConfigType::Double), Ok(shown.into()), "{text}");
    }
    for text in ["inf", "nan", "infinity", "", "-", "1_0", "x", "--1"] {
        assert!(parse(text, ConfigType::Double).is_err(), "{text}");
    }
}

#[test]
fn errors_have_the_words_of_kafka() {
    let expect = |text, config_type, words: &str| assert_eq!(parse(text, config_type), Err(words.to_owned()));
    expect("abc", ConfigType::Long, "Invalid value abc for configuration c: Not a number of type LONG");
    expect("", ConfigType::Long, "Invalid value  for configuration c: Not a number of type LONG");
    expect("0x10", ConfigType::Short, "Invalid value 0x10 for configuration c: Not a number of type SHORT");
    expect("99999999999", ConfigType::Int, "Invalid value 99999999999 for configuration c: Not a number of type INT");
    expect(
        "yes",
        ConfigType::Boolean,
        "Invalid value yes for configuration c: Expected value to be either true or false",
    );
}

#[test]
fn a_secret_is_never_shown() {
    let secret = Value::parse("c", " hunter2 ", ConfigType::Password).unwrap();
    assert_eq!(secret.to_text(), None);
    assert!(!format!("{secret:?} {}", secret.to_message()).contains("hunter2"));
    assert!(matches!(secret, Value::Password(text) if text.expose() == "hunter2"));
}
