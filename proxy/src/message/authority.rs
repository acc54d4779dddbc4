//! Hosts with their ports (RFC 3986, 3.2).

use std::net::Ipv6Addr;

/// Whether it is a host with or without a port. Names, IPv4 addresses, and IPv6 addresses in
/// brackets are; user information is not (RFC 9110, 4.2.4), nor are zones and IPvFuture.
pub(crate) fn is_authority(text: &[u8]) -> bool {
    split(text).is_some_and(|(host, port)| is_host(host) && port.is_none_or(is_port))
}

/// The same with a port that is not empty, as CONNECT has it (RFC 9110, 9.3.6).
pub(crate) fn is_authority_with_port(text: &[u8]) -> bool {
    let has_port = split(text).and_then(|(_, port)| port);
    has_port.is_some_and(|port| !port.is_empty()) && is_authority(text)
}

fn split(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let end_of_host = match text.first()? {
        b'[' => text.iter().position(|byte| *byte == b']')? + 1,
        _ => text
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at(end_of_host);
    match rest.split_first() {
        None => Some((host, None)),
        Some((b':', port)) => Some((host, Some(port))),
        Some(_) => None,
    }
}

fn is_host(host: &[u8]) -> bool {
    if let Some(rest) = host.strip_prefix(b"[") {
        let address = rest
            .strip_suffix(b"]")
            .and_then(|text| str::from_utf8(text).ok());
        return address.is_some_and(|text| text.parse::<Ipv6Addr>().is_ok());
    }
    let mut rest = host;
    while let Some((byte, after)) = rest.split_first() {
        rest = match (byte, after) {
            (b'%', [one, other, after @ ..])
                if one.is_ascii_hexdigit() && other.is_ascii_hexdigit() =>
            {
                after
            }
            (b'-' | b'.' | b'_' | b'~', _) => after,
            (b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=', _) => {
                after
            }
            (byte, _) if byte.is_ascii_alphanumeric() => after,
            _ => return false,
        };
    }
    !host.is_empty()
}

fn is_port(port: &[u8]) -> bool {
    port.is_empty()
        || port.len() <= 5
            && port.iter().all(u8::is_ascii_digit)
            && str::from_utf8(port).is_ok_and(|text| text.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_addresses_and_ports() {
        for good in [
            "a",
            "reviews.default.svc.cluster.local:9080",
            "under_score",
            "10.0.0.1:80",
            "[::1]",
            "[fe80::1]:8080",
            "[::ffff:10.0.0.1]:1",
            "a:",
            "a:0",
            "a:65535",
            "xn--bcher-kva.example",
            "a%20b",
            "*.example.com",
            "a!$&'()*+,;=~",
        ] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for bad in [
            "",
            ":80",
            "a b",
            "a\t",
            "user@a",
            "user:pass@a",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "a:b",
            "a:80:80",
            "a:+80",
            "a:65536",
            "a:000080",
            "::1",
            "[::1",
            "[::1]a",
            "[]",
            "[fe80::1%25eth0]",
            "[v1.a]",
            "[10.0.0.1]",
            "a%2",
            "a%zz",
            "%",
            "é",
            "\u{7f}",
            "a\"",
            "<a>",
            "a|b",
            "http://a",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad:?}");
        }
    }

    #[test]
    fn requires_a_port_where_there_must_be_one() {
        for good in ["a:443", "[::1]:443", "10.0.0.1:1"] {
            assert!(is_authority_with_port(good.as_bytes()), "{good}");
        }
        for bad in ["a", "a:", "[::1]", "", ":443", "a:x"] {
            assert!(!is_authority_with_port(bad.as_bytes()), "{bad}");
        }
    }
}
