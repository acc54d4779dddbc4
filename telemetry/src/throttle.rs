//! Log lines that callers can cause at will: a few a second for each address,
//! and how many were left out.
//!
//! A loud address takes no lines from a quiet one: the first line of an address in
//! a second counts against a limit of its own, and every further line against that
//! address's limit and a common one.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const WINDOW: Duration = Duration::from_secs(1);

/// Addresses that are remembered; the one that has been silent for longest is forgotten first.
const ADDRESSES: usize = 256;

/// Lines a second.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Lines of one address.
    pub each: u32,
    /// First lines of addresses.
    pub first: u32,
    /// Further lines of all addresses together.
    pub more: u32,
}

/// How many lines were left out before the one that is written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct HeldBack {
    own: u64,
    others: u64,
}

impl HeldBack {
    /// Lines of the same address; `None` where there are none, so that the line
    /// has no such field.
    #[must_use]
    pub fn own(self) -> Option<u64> {
        (self.own > 0).then_some(self.own)
    }

    /// Lines of addresses that have been forgotten.
    #[must_use]
    pub fn others(self) -> Option<u64> {
        (self.others > 0).then_some(self.others)
    }
}

/// Lets lines through at these rates.
#[derive(Debug)]
pub struct Throttle {
    rates: Rates,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    callers: HashMap<IpAddr, Caller>,
    first: Count,
    more: Count,
    /// Lines held back of addresses that are no longer among `callers`.
    forgotten: u64,
}

#[derive(Debug)]
struct Caller {
    lines: Count,
    held_back: u64,
    seen: Instant,
}

/// Lines in the second that is passing.
#[derive(Debug)]
struct Count {
    since: Instant,
    passed: u32,
}

impl Throttle {
    /// A throttle that has let nothing through yet.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        let now = Instant::now();
        Self {
            rates,
            state: Mutex::new(State {
                callers: HashMap::new(),
                first: Count::new(now),
                more: Count::new(now),
                forgotten: 0,
            }),
        }
    }

    /// Asks to write a line that this address caused. `Some` if it may be written,
    /// with the number of lines that were held back before it.
    pub fn pass(&self, address: IpAddr) -> Option<HeldBack> {
        self.pass_at(address, Instant::now())
    }

    fn pass_at(&self, address: IpAddr, now: Instant) -> Option<HeldBack> {
        let address = network(address);
        // Counts are whole after any panic.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        if !state.callers.contains_key(&address) && state.callers.len() >= ADDRESSES {
            state.forget_one();
        }
        let caller = state.callers.entry(address).or_insert_with(|| Caller {
            lines: Count::new(now),
            held_back: 0,
            seen: now,
        });
        caller.seen = now;
        let is_first = caller.lines.so_far(now) == 0;
        let passes = caller.lines.so_far(now) < self.rates.each
            && (is_first && state.first.take(self.rates.first, now)
                || state.more.take(self.rates.more, now));
        if !passes {
            caller.held_back += 1;
            return None;
        }
        caller.lines.passed += 1;
        Some(HeldBack {
            own: std::mem::take(&mut caller.held_back),
            others: std::mem::take(&mut state.forgotten),
        })
    }
}

impl State {
    fn forget_one(&mut self) {
        let silent = self.callers.iter().min_by_key(|(_, caller)| caller.seen);
        if let Some(address) = silent.map(|(address, _)| *address)
            && let Some(caller) = self.callers.remove(&address)
        {
            self.forgotten += caller.held_back;
        }
    }
}

impl Count {
    fn new(now: Instant) -> Self {
        Self {
            since: now,
            passed: 0,
        }
    }

    fn so_far(&mut self, now: Instant) -> u32 {
        if now.saturating_duration_since(self.since) >= WINDOW {
            self.since = now;
            self.passed = 0;
        }
        self.passed
    }

    fn take(&mut self, most: u32, now: Instant) -> bool {
        let takes = self.so_far(now) < most;
        self.passed += u32::from(takes);
        takes
    }
}

/// The addresses that one caller can use: one of IPv4, or a /64 of IPv6, by its first
/// address.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LOUD: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    fn throttle() -> Throttle {
        Throttle::new(Rates {
            each: 3,
            first: 100,
            more: 4,
        })
    }

    fn held_back(own: u64, others: u64) -> Option<HeldBack> {
        Some(HeldBack { own, others })
    }

    /// Another address for each number.
    fn other(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + number))
    }

    /// How many of ten lines are let through.
    fn of_ten(throttle: &Throttle, address: IpAddr, now: Instant) -> usize {
        let lines = (0..10).filter(|_| throttle.pass_at(address, now).is_some());
        lines.count()
    }

    #[test]
    fn lets_a_few_lines_of_an_address_through_in_a_second() {
        let (throttle, now) = (throttle(), Instant::now());
        assert_eq!(of_ten(&throttle, LOUD, now), 3);
        assert_eq!(of_ten(&throttle, LOUD, now + WINDOW / 2), 0);
        assert_eq!(of_ten(&throttle, LOUD, now + WINDOW), 3);
    }

    #[test]
    fn says_in_the_next_second_how_many_it_held_back() {
        let (throttle, now) = (throttle(), Instant::now());
        of_ten(&throttle, LOUD, now);
        assert_eq!(throttle.pass_at(LOUD, now + WINDOW), held_back(7, 0));
        assert_eq!(throttle.pass_at(LOUD, now + WINDOW), held_back(0, 0));
    }

    #[test]
    fn lets_no_loud_addresses_silence_another() {
        let (throttle, now) = (throttle(), Instant::now());
        let loud = (0..50).map(|number| of_ten(&throttle, other(number), now));
        assert_eq!(loud.sum::<usize>(), 50 + 4);
        assert_eq!(throttle.pass_at(LOUD, now), held_back(0, 0));
    }

    #[test]
    fn bounds_the_lines_of_all_addresses_together() {
        let (throttle, now) = (throttle(), Instant::now());
        let passed = (0..10_000).map(|number| of_ten(&throttle, other(number), now));
        assert_eq!(passed.sum::<usize>(), 104);
    }

    #[test]
    fn takes_the_networks_of_ipv6_for_one_caller_each() {
        let (throttle, now) = (throttle(), Instant::now());
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(of_ten(&throttle, address("2001:db8::1"), now), 3);
        assert_eq!(of_ten(&throttle, address("2001:db8::ffff:0:0:1"), now), 0);
        assert_eq!(
            throttle.pass_at(address("2001:db8:0:1::1"), now),
            held_back(0, 0)
        );
        of_ten(&throttle, LOUD, now);
        assert_eq!(throttle.pass_at(address("::ffff:10.0.0.1"), now), None);
    }

    #[test]
    fn remembers_a_bounded_number_of_addresses_and_tells_of_the_others() {
        let (throttle, now) = (throttle(), Instant::now());
        of_ten(&throttle, LOUD, now);
        for number in 0..1000 {
            throttle.pass_at(other(number), now + WINDOW / 2);
        }
        assert_eq!(throttle.state.lock().unwrap().callers.len(), ADDRESSES);
        let next = throttle.pass_at(LOUD, now + 2 * WINDOW).unwrap();
        assert_eq!(next.own(), None);
        assert!(next.others() >= Some(7), "{next:?}");
    }
}
