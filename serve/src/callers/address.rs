//! The caller that an address belongs to.

use std::net::IpAddr;

use pillion_telemetry::network;

/// One caller: an address of IPv4, or the /64 that an address of IPv6 is in, of
/// which a single host may have all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Caller(IpAddr);

impl Caller {
    /// The caller that the address belongs to.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(network(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(address: &str) -> Caller {
        Caller::of(address.parse().unwrap())
    }

    #[test]
    fn addresses_of_one_host_are_one_caller() {
        assert_eq!(caller("2001:db8::1"), caller("2001:db8::ffff:0:0:2"));
        assert_ne!(caller("2001:db8::1"), caller("2001:db8:0:1::1"));
        assert_eq!(caller("::ffff:10.0.0.1"), caller("10.0.0.1"));
        assert_ne!(caller("10.0.0.1"), caller("10.0.0.2"));
    }
}
