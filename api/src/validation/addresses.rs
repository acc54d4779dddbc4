//! Where endpoints can't be: a gateway would let everybody at what only its own pod, or its node,
//! may reach.

use std::net::{IpAddr, Ipv4Addr};

use crate::{findings::Findings, path::shortened};

/// Checks the address or the name of an endpoint, and says whether there is a fault. Addresses
/// that a name has by DNS are the proxy's to check.
pub(super) fn check(findings: &mut Findings, host: &str) -> bool {
    let message = match host.parse::<IpAddr>() {
        Ok(address) => forbidden(address),
        Err(_) => forbidden_name(host),
    };
    if let Some(message) = message {
        findings.fault(format!("{:?} {message}", shortened(host)));
    }
    message.is_some()
}

/// Why an endpoint can't be at an address.
fn forbidden(address: IpAddr) -> Option<&'static str> {
    // `::ffff:127.0.0.1` is the same as `127.0.0.1`.
    let address = address.to_canonical();
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    if address.is_loopback() {
        Some("is the proxy's own pod (loopback), which no other pod may reach")
    } else if is_link_local {
        Some("is link-local: the node's own services, such as the metadata of its cloud, are there")
    } else if address.is_unspecified() {
        Some("is no address of anything")
    } else if address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
        Some("is not the address of one endpoint")
    } else {
        None
    }
}

/// Why an endpoint can't have a name (RFC 6761, 6.3: `localhost` is always loopback).
fn forbidden_name(name: &str) -> Option<&'static str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or_default();
    // Resolvers of C take `127.1`, `0x7f000001` and `2130706433` for an address.
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last
            .get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    if last.eq_ignore_ascii_case("localhost") {
        Some("is the proxy's own pod, which no other pod may reach")
    } else if is_number && !last.is_empty() {
        Some("is neither an IP address nor a DNS name")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(host: &str) -> bool {
        check(&mut Findings::default(), host)
    }

    #[test]
    fn refuses_the_pod_and_the_node() {
        for host in [
            "127.0.0.1",
            "127.8.8.8",
            "::1",
            "::ffff:127.0.0.1",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "localhost",
            "LocalHost.",
            "a.localhost",
            "127.1",
            "2130706433",
            "0x7f000001",
            "127.0.0.0x1",
        ] {
            assert!(is_refused(host), "{host}");
        }
    }

    #[test]
    fn takes_what_can_be_elsewhere() {
        for host in [
            "10.0.0.1",
            "192.168.0.1",
            "fd00::1",
            "8.8.8.8",
            "example.com",
            "localhost.example.com",
            "0x.example.com",
            "1.example",
            "db",
        ] {
            assert!(!is_refused(host), "{host}");
        }
    }
}
