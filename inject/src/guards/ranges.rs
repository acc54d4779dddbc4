//! Sets of addresses, from comma-separated CIDRs.

use ipnet::IpNet;

use crate::value_checks::parse_cidr;

/// The two families of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// Addresses of one family: the first and the last of each span, in order. Spans
/// neither overlap nor touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ranges(Vec<(u128, u128)>);

impl Ranges {
    /// The addresses of CIDRs, which have been checked.
    pub fn parse(list: &str, family: Family) -> Self {
        let mut spans: Vec<_> = list
            .split(',')
            .filter_map(|cidr| span(cidr.trim(), family))
            .collect();
        spans.sort_unstable();
        let mut joined: Vec<(u128, u128)> = Vec::new();
        for (first, last) in spans {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    /// The addresses that another host can have. An exclusion need not have the others.
    pub fn unicast(family: Family) -> Self {
        match family {
            // Without 0.0.0.0/8, loopback, and from multicast (224.0.0.0) up.
            Family::V4 => Self(vec![
                (1 << 24, (127 << 24) - 1),
                (128 << 24, (224 << 24) - 1),
            ]),
            // Global and unique local addresses.
            Family::V6 => Self::parse("2000::/3,fc00::/7", family),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The addresses that are in both.
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut mine, mut others) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = Vec::new();
        while let (Some(&&(from, to)), Some(&&(first, last))) = (mine.peek(), others.peek()) {
            if from.max(first) <= to.min(last) {
                both.push((from.max(first), to.min(last)));
            }
            if to < last {
                mine.next();
            } else {
                others.next();
            }
        }
        Self(both)
    }

    /// Whether another set has all of these addresses.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|(first, last)| {
            let place = other.0.partition_point(|(_, end)| end < first);
            let found = other.0.get(place);
            found.is_some_and(|(start, end)| start <= first && last <= end)
        })
    }
}

/// The first and the last address of a CIDR of that family.
fn span(cidr: &str, family: Family) -> Option<(u128, u128)> {
    match (parse_cidr(cidr)?, family) {
        (IpNet::V4(net), Family::V4) => Some((
            net.network().to_bits().into(),
            net.broadcast().to_bits().into(),
        )),
        (IpNet::V6(net), Family::V6) => Some((net.network().to_bits(), net.broadcast().to_bits())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(list: &str) -> Ranges {
        Ranges::parse(list, Family::V4)
    }

    #[test]
    fn joins_what_overlaps_and_what_touches() {
        assert_eq!(v4("128.0.0.0/1, 0.0.0.0/1"), v4("0.0.0.0/0"));
        assert_eq!(v4("10.1.2.3/8,10.0.0.0/16"), v4("10.0.0.0/8"));
        assert_eq!(v4("10.0.0.0/8,12.0.0.0/8").0.len(), 2);
        assert_eq!(v4(""), Ranges(Vec::new()));
        assert_eq!(v4("::/0"), Ranges(Vec::new()));
    }

    #[test]
    fn spans_both_families_whole() {
        assert_eq!(v4("1.2.3.4/0").0, [(0, u128::from(u32::MAX))]);
        let all = Ranges::parse("::/0", Family::V6);
        assert_eq!(all.0, [(0, u128::MAX)]);
        assert_eq!(Ranges::parse("8000::/1,::/1", Family::V6), all);
        assert_eq!(Ranges::parse("::1/128", Family::V6).0, [(1, 1)]);
    }

    #[test]
    fn knows_what_is_within_what() {
        let whole = v4("0.0.0.0/0");
        assert!(Ranges::unicast(Family::V4).is_within(&whole));
        assert!(!whole.is_within(&Ranges::unicast(Family::V4)));
        assert!(v4("10.0.0.0/9,10.200.0.0/16").is_within(&v4("10.0.0.0/8")));
        assert!(!v4("10.0.0.0/8").is_within(&v4("10.0.0.0/9,10.128.0.0/10")));
        assert!(v4("").is_within(&v4("")));
    }

    #[test]
    fn intersects() {
        let both =
            v4("10.0.0.0/8,127.0.0.0/8,224.0.0.0/4").intersection(&Ranges::unicast(Family::V4));
        assert_eq!(both, v4("10.0.0.0/8"));
        assert!(v4("10.0.0.0/8").intersection(&v4("11.0.0.0/8")).is_empty());
        let holes = v4("0.0.0.0/0").intersection(&v4("10.0.0.0/8,12.0.0.0/8"));
        assert_eq!(holes, v4("10.0.0.0/8,12.0.0.0/8"));
    }
}
