//! The pod's addresses: which families are captured, and the one that IPv6 needs.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv6Addr},
};

use socket2::{Domain, Protocol, Socket, Type};

use super::{capture::passthrough_address, rules::Family};

/// The addresses in this network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(Vec<IpAddr>);

impl Addresses {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// When the kernel doesn't say.
    pub fn read() -> io::Result<Self> {
        let interfaces = if_addrs::get_if_addrs()?;
        Ok(Self(
            interfaces.iter().map(if_addrs::Interface::ip).collect(),
        ))
    }

    /// The families to capture: always IPv4, and IPv6 where it is the pod's first
    /// address, or, in dual stack, where it has any. Only what a peer elsewhere can
    /// reach counts.
    #[must_use]
    pub fn families(&self, dual_stack: bool) -> Vec<Family> {
        let mut reachable = self.0.iter().filter(|address| is_reachable(**address));
        // Linux lists IPv4 first.
        let has_ipv4 = reachable.clone().any(IpAddr::is_ipv4);
        let has_ipv6 = reachable.any(IpAddr::is_ipv6);
        if has_ipv6 && (dual_stack || !has_ipv4) {
            vec![Family::V4, Family::V6]
        } else {
            vec![Family::V4]
        }
    }

    fn has_passthrough(&self) -> bool {
        self.0.contains(&passthrough_address(Family::V6))
    }
}

fn is_reachable(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !address.is_loopback() && !link_local && address != passthrough_address(Family::V6)
}

/// Gives the loopback interface `::6`, from which the proxy calls the application. All
/// of 127.0.0.0/8 is there anyway.
///
/// # Errors
///
/// When the kernel refuses.
pub fn add_passthrough() -> io::Result<()> {
    const EXISTS: i32 = 17;
    if Addresses::read()?.has_passthrough() {
        return Ok(());
    }
    let created = ACKNOWLEDGE | CREATE | EXCLUSIVE;
    ignoring(EXISTS, ask(NEW_ADDRESS, created))
}

/// Takes `::6` from the loopback interface.
///
/// # Errors
///
/// When the kernel refuses.
pub fn remove_passthrough() -> io::Result<()> {
    const NOT_AVAILABLE: i32 = 99;
    if !Addresses::read()?.has_passthrough() {
        return Ok(());
    }
    ignoring(NOT_AVAILABLE, ask(DELETE_ADDRESS, ACKNOWLEDGE))
}

fn ignoring(number: i32, result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(number) => Ok(()),
        other => other,
    }
}

// rtnetlink(7).
const AF_NETLINK: i32 = 16;
const NETLINK_ROUTE: i32 = 0;
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const ACKNOWLEDGE: u16 = 0x1 | 0x4;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;
const ERROR: u16 = 2;

/// Asks the kernel to do something with `::6/128` on the loopback interface.
fn ask(what: u16, flags: u16) -> io::Result<()> {
    let mut socket = Socket::new(
        Domain::from(AF_NETLINK),
        Type::RAW,
        Some(Protocol::from(NETLINK_ROUTE)),
    )?;
    socket.write_all(&request(what, flags))?;
    let mut answer = [0; 1024];
    let length = socket.read(&mut answer)?;
    match (field(&answer[..length], 4), field(&answer[..length], 16)) {
        (Some([low, high, _, _]), Some(error)) if u16::from_ne_bytes([low, high]) == ERROR => {
            match i32::from_ne_bytes(error) {
                0 => Ok(()),
                number => Err(io::Error::from_raw_os_error(-number)),
            }
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn field(message: &[u8], at: usize) -> Option<[u8; 4]> {
    message.get(at..at + 4)?.try_into().ok()
}

fn request(what: u16, flags: u16) -> Vec<u8> {
    const AF_INET6: u8 = 10;
    const SCOPE_HOST: u8 = 254;
    /// Every network namespace has its loopback interface first.
    const LOOPBACK: u32 = 1;
    const LENGTH: u32 = 16 + 8 + 2 * (4 + 16);
    let address = Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6).octets();
    let mut message = Vec::new();
    message.extend(LENGTH.to_ne_bytes());
    message.extend(what.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]); // sequence, port
    message.extend([AF_INET6, 128, 0, SCOPE_HOST]);
    message.extend(LOOPBACK.to_ne_bytes());
    for attribute in [1_u16, 2] {
        // IFA_ADDRESS, IFA_LOCAL
        message.extend(20_u16.to_ne_bytes());
        message.extend(attribute.to_ne_bytes());
        message.extend(address);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families(addresses: &[&str], dual_stack: bool) -> Vec<Family> {
        let addresses = addresses.iter().map(|text| text.parse().unwrap());
        Addresses(addresses.collect()).families(dual_stack)
    }

    #[test]
    fn captures_ipv6_where_it_is_the_pod_s_first_address() {
        let both = [Family::V4, Family::V6];
        assert_eq!(
            families(&["127.0.0.1", "::1", "fe80::1", "fd00::1"], false),
            both
        );
        assert_eq!(
            families(&["127.0.0.1", "10.0.0.1", "::1", "fd00::1"], false),
            [Family::V4]
        );
    }

    #[test]
    fn captures_both_in_dual_stack_where_there_are_both() {
        let both = [Family::V4, Family::V6];
        assert_eq!(families(&["10.0.0.1", "fd00::1"], true), both);
        assert_eq!(
            families(&["10.0.0.1", "fe80::1", "::1", "::6"], true),
            [Family::V4]
        );
        assert_eq!(families(&["127.0.0.1"], true), [Family::V4]);
    }
}
