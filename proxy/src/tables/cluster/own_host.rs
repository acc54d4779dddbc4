//! Addresses that mean the host or the link that the proxy itself is on.

use std::net::IpAddr;

/// Whether a connection to the address would end on the proxy's own host, where its ports trust
/// whoever comes, or on its link, where clouds tell nodes their credentials.
pub(super) fn is_own(address: IpAddr) -> bool {
    match address.to_canonical() {
        // All of 0.0.0.0/8 is "this network" (RFC 1122, 3.2.1.3).
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_host_and_link() {
        let is_own = |text: &str| is_own(text.parse().unwrap());
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "169.254.169.254",
            "::1",
            "::",
            "fe80::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
        ] {
            assert!(is_own(text), "{text}");
        }
        for text in ["10.0.0.1", "128.0.0.1", "fd00::1", "::ffff:10.0.0.1"] {
            assert!(!is_own(text), "{text}");
        }
    }
}
