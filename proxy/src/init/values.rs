//! The values of the flags, each a type that says what would be valid.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use thiserror::Error;

/// A value that a flag or a variable does not take.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Invalid {
    /// Not a port.
    #[error("{0:?} is not a port (0–65535)")]
    Port(String),
    /// Not an IP range.
    #[error("{0:?} is not an IP range in CIDR form, such as 10.0.0.0/8 or fd00::/8")]
    Cidr(String),
    /// Not the name of a network interface.
    #[error(
        "{0:?} is not the name of a network interface (1–15 letters, digits and `._-@`, then perhaps `+` for all that begin so)"
    )]
    Interface(String),
    /// Not a user's or group's number.
    #[error("{0:?} is not a numeric ID (0–4294967294)")]
    Id(String),
    /// Neither true nor false.
    #[error("{0:?} is neither true nor false")]
    Bool(String),
    /// Not a duration.
    #[error("{0:?} is not a duration, such as 5s, 500ms or 1m30s")]
    Duration(String),
    /// No way of capturing traffic.
    #[error("{0:?} is not an interception mode (REDIRECT, or TPROXY, which is not supported yet)")]
    Mode(String),
}

/// A range of IP addresses. The bits after the prefix are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    length: u8,
}

impl Cidr {
    /// One address.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        let length = if address.is_ipv4() { 32 } else { 128 };
        Self { address, length }
    }

    /// Whether it is a range of IPv6.
    #[must_use]
    pub fn is_ipv6(self) -> bool {
        self.address.is_ipv6()
    }

    /// Whether its first address is one of the loopback interface's.
    #[must_use]
    pub fn is_loopback(self) -> bool {
        self.address.is_loopback()
    }

    /// Whether the address lies in it.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        self.is_ipv6() == address.is_ipv6() && masked(address, self.length) == self.address
    }
}

fn masked(address: IpAddr, length: u8) -> IpAddr {
    let length = u32::from(length);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Cidr {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::Cidr(text.to_owned());
        let (address, length) = text.split_once('/').ok_or_else(invalid)?;
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let length: u8 = length.parse().map_err(|_| invalid())?;
        if length > Self::host(address).length {
            return Err(invalid());
        }
        Ok(Self {
            address: masked(address, length),
            length,
        })
    }
}

/// A port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port(pub u16);

impl FromStr for Port {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.parse() {
            Ok(port) => Ok(Self(port)),
            Err(_) => Err(Invalid::Port(text.to_owned())),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a user or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(pub u32);

impl FromStr for Id {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.parse() {
            Ok(id) if id != u32::MAX => Ok(Self(id)),
            _ => Err(Invalid::Id(text.to_owned())),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a network interface. It never looks like anything else in a document
/// for `iptables-restore`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface(String);

impl Interface {
    /// The loopback interface.
    #[must_use]
    pub fn loopback() -> Self {
        Self("lo".to_owned())
    }

    /// Whether it stands for the interface of this name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('+') {
            Some(start) => name.starts_with(start),
            None => self.0 == name,
        }
    }
}

impl FromStr for Interface {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let start = text.strip_suffix('+').unwrap_or(text);
        let fits = !text.is_empty() && text.len() <= 15 && !start.starts_with('-');
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
        if fits && start.chars().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::Interface(text.to_owned()))
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A list with commas, which may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<T: FromStr> FromStr for List<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        let items = text.split(',').map(str::trim);
        let items = items.filter(|item| !item.is_empty()).map(str::parse);
        Ok(Self(items.collect::<Result<_, _>>()?))
    }
}

/// `*`, or a list with commas, which may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection<T> {
    /// Everything.
    All,
    /// These, and nothing else.
    Only(Vec<T>),
}

impl<T: FromStr> FromStr for Selection<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text.trim() == "*" {
            return Ok(Self::All);
        }
        Ok(Self::Only(text.parse::<List<T>>()?.0))
    }
}

/// How inbound traffic is captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The `REDIRECT` target.
    Redirect,
    /// The `TPROXY` target.
    Tproxy,
}

impl FromStr for Mode {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "" | "REDIRECT" => Ok(Self::Redirect),
            "TPROXY" => Ok(Self::Tproxy),
            _ => Err(Invalid::Mode(text.to_owned())),
        }
    }
}

/// A boolean as Go writes it.
///
/// # Errors
///
/// When it is something else.
pub fn boolean(text: &str) -> Result<bool, Invalid> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Invalid::Bool(text.to_owned())),
    }
}

/// A duration as Go writes it, such as `1m30s`.
///
/// # Errors
///
/// When it is something else, negative, or over a day.
pub fn duration(text: &str) -> Result<Duration, Invalid> {
    let invalid = || Invalid::Duration(text.to_owned());
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, after) = rest.split_at(number.ok_or_else(invalid)?);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, after) = after.split_at(unit.unwrap_or(after.len()));
        let factor = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return Err(invalid()),
        };
        seconds += number.parse::<f64>().map_err(|_| invalid())? * factor;
        rest = after;
    }
    if text.is_empty() || seconds > 86_400.0 {
        return Err(invalid());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_the_bits_after_a_range_s_prefix() {
        let shown = |text: &str| text.parse::<Cidr>().unwrap().to_string();
        assert_eq!(shown("10.1.2.3/8"), "10.0.0.0/8");
        assert_eq!(shown("0.0.0.0/0"), "0.0.0.0/0");
        assert_eq!(shown("10.1.2.3/32"), "10.1.2.3/32");
        assert_eq!(shown("fd00:1::7/16"), "fd00::/16");
    }

    #[test]
    fn rejects_what_is_not_a_range() {
        for text in [
            "10.0.0.1",
            "10.0.0.0/33",
            "::/129",
            "*",
            "a/8",
            "10.0.0.0/-1",
        ] {
            let error = text.parse::<Cidr>().unwrap_err();
            assert_eq!(error, Invalid::Cidr(text.to_owned()));
        }
    }

    #[test]
    fn rejects_a_name_that_would_be_something_else_in_the_document() {
        for text in [
            "",
            "-j",
            "eth0 -j ACCEPT",
            "a\nb",
            "a\"b",
            "!",
            "sixteen-letters-",
            "a+b",
        ] {
            assert!(text.parse::<Interface>().is_err(), "{text:?}");
        }
        assert!("eth+".parse::<Interface>().unwrap().matches("eth1"));
        assert!(!"eth0".parse::<Interface>().unwrap().matches("eth01"));
    }

    #[test]
    fn a_star_is_everything_only_when_it_stands_alone() {
        assert_eq!("*".parse::<Selection<Port>>().unwrap(), Selection::All);
        assert!("80,*".parse::<Selection<Port>>().is_err());
        let listed = " 80,, 443".parse::<Selection<Port>>().unwrap();
        assert_eq!(listed, Selection::Only(vec![Port(80), Port(443)]));
        assert_eq!(
            "".parse::<Selection<Port>>().unwrap(),
            Selection::Only(vec![])
        );
    }

    #[test]
    fn reads_durations_as_go_writes_them() {
        assert_eq!(duration("1m30s").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("1.5s").unwrap(), Duration::from_millis(1500));
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        for text in ["", "5", "s", "-5s", "5 s", "5x", "25h", "1.2.3s"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }
}
