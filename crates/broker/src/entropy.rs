//! Random ids from the kernel.

use ottla_protocol::Uuid;

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        // The pool is ready long before a broker starts, and reads this short are never interrupted for long.
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(read) => filled += read,
            Err(error) => assert_eq!(error, rustix::io::Errno::INTR, "the kernel has random bytes"),
        }
    }
    bytes
}

/// A random topic, directory or incarnation id: never one that Kafka reserves, nor one that starts with a dash, which
/// command lines would take for a flag.
pub(crate) fn uuid() -> Uuid {
    loop {
        let id = Uuid::from_random_bytes(random());
        if !id.to_string().starts_with('-') {
            return id;
        }
    }
}

/// A random number.
pub(crate) fn i32() -> i32 {
    i32::from_be_bytes(random())
}

/// A random UUID in its usual hexadecimal form, as Kafka appends to member ids.
pub(crate) fn member_suffix() -> String {
    let id = Uuid::from_random_bytes(random());
    let hex: String = id.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A random number.
pub(crate) fn u64() -> u64 {
    u64::from_be_bytes(random())
}
