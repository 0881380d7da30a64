//! A client's address as coordinators keep it and operators see it.

use ottla_protocol::Str;
use std::net::{IpAddr, SocketAddr};

/// The address as Java writes it: after a slash, and IPv6 in eight groups without leading zeros.
pub(super) fn client_host(address: SocketAddr) -> Str {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => format!("/{ip}").into(),
        IpAddr::V6(ip) => {
            let groups = ip.segments().map(|group| format!("{group:x}"));
            format!("/{}", groups.join(":")).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_look_as_in_java() {
        for (address, expected) in [
            ("127.0.0.1:1", "/127.0.0.1"),
            ("[::1]:1", "/0:0:0:0:0:0:0:1"),
            ("[::ffff:10.0.0.7]:1", "/10.0.0.7"),
            ("[2001:db8::a:0:1]:1", "/2001:db8:0:0:0:a:0:1"),
        ] {
            assert_eq!(client_host(address.parse().expect("an address")), expected);
        }
    }
}
