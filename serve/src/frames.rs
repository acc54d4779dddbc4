//! What the HTTP/2 frames that a connection receives cost.
//!
//! hyper and h2 bound how much of a connection is in memory, but not how many
//! frames a second they process. A frame that carries no request costs its sender
//! nine bytes and us a turn of the state machine, sometimes a reply. So each
//! connection has an account: frames are charged to it, the passing of time and
//! successful requests are credited to it, and a connection that overdraws it ends.

use tokio::time::Instant;

use crate::{
    frame_scanner::{FrameHead, FrameScanner},
    metrics::Frame,
};

/// How many frames a connection may send that carry no request, in units of the price
/// of a PING.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The most credit that a connection may have; it begins with it.
    pub burst: u32,
    /// Credit for each second.
    pub rate: u32,
    /// Credit for each success that the owner of the connection reports.
    pub success: u32,
    /// A DATA frame shorter than this, in bytes, is charged for.
    pub worthwhile: u32,
}

impl Allowance {
    /// For a port of our own, whose callers fill their DATA frames, or have little to send.
    ///
    /// An API server whose streams are all open, time out, are reset and are each followed
    /// by a PING needs seven eighths of the burst. A successful request is worth its headers
    /// and its body, WINDOW_UPDATEs for the response, and a PING.
    pub(crate) const PORT: Self = Self {
        burst: 1024,
        rate: 100,
        success: 32,
        worthwhile: 512,
    };
}

impl FrameHead {
    /// Its kind and its price: higher for what opens or ends a stream, and for
    /// length, which has to be read even if it is then ignored.
    fn price(self, worthwhile: u32) -> (Frame, u32) {
        const PADDED: u8 = 0x8;
        let by_length = self.length / 256;
        match self.kind {
            0x0 if self.length >= worthwhile && self.flags & PADDED == 0 => (Frame::Data, 0),
            0x0 => (Frame::Data, 1),
            0x1 => (Frame::Headers, 2 + by_length),
            0x2 => (Frame::Priority, 1 + by_length),
            0x3 => (Frame::RstStream, 3 + by_length),
            0x4 => (Frame::Settings, 1 + by_length),
            0x6 => (Frame::Ping, 1 + by_length),
            0x8 => (Frame::WindowUpdate, 1 + by_length),
            0x9 => (Frame::Continuation, 2 + by_length),
            _ => (Frame::Other, 1 + by_length),
        }
    }
}

/// The credit of a connection.
#[derive(Debug)]
struct Account {
    allowance: Allowance,
    credit: u32,
    /// When time was last credited.
    paid: Instant,
    /// What each kind of frame has cost since the credit was last full.
    spent: [u32; Frame::ALL.len()],
}

impl Account {
    fn new(allowance: Allowance, now: Instant) -> Self {
        Self {
            allowance,
            credit: allowance.burst,
            paid: now,
            spent: [0; Frame::ALL.len()],
        }
    }

    fn deposit(&mut self, amount: u32) {
        self.credit = self.credit.saturating_add(amount).min(self.allowance.burst);
        if self.credit == self.allowance.burst {
            self.spent = [0; Frame::ALL.len()];
        }
    }

    /// Charges for a frame; returns whether the credit sufficed. Time is credited
    /// only when the rest does not suffice, so a burst after a pause can be twice as long.
    fn charge(&mut self, (frame, cost): (Frame, u32), now: impl FnOnce() -> Instant) -> bool {
        if self.credit < cost {
            let now = now();
            let passed = now.saturating_duration_since(self.paid);
            // A fraction of a unit is left for the next time.
            let units = passed.as_millis() * u128::from(self.allowance.rate) / 1000;
            if units > 0 {
                self.paid = now;
                self.deposit(u32::try_from(units).unwrap_or(u32::MAX));
            }
        }
        self.spent[frame as usize] = self.spent[frame as usize].saturating_add(cost);
        let Some(left) = self.credit.checked_sub(cost) else {
            return false;
        };
        self.credit = left;
        true
    }

    /// The kind of frame that cost most.
    fn loudest(&self) -> Frame {
        let loudest = Frame::ALL
            .into_iter()
            .max_by_key(|frame| self.spent[*frame as usize]);
        loudest.unwrap_or(Frame::Other)
    }
}

/// A connection's frames and its account.
#[derive(Debug)]
pub struct Meter {
    scanner: FrameScanner,
    account: Account,
}

/// The result of one read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The account is overdrawn.
    pub flooded: bool,
    /// The kind of frame that cost most.
    pub loudest: Frame,
}

impl Meter {
    /// For what a client sends, from its preface on.
    #[must_use]
    pub fn of_client(allowance: Allowance) -> Self {
        Self::new(allowance, FrameScanner::of_client())
    }

    /// For what a server sends, which has no preface.
    #[must_use]
    pub fn of_server(allowance: Allowance) -> Self {
        Self::new(allowance, FrameScanner::of_server())
    }

    fn new(allowance: Allowance, scanner: FrameScanner) -> Self {
        Self {
            scanner,
            account: Account::new(allowance, Instant::now()),
        }
    }

    /// Charges for the bytes that have been read, and credits the successes since the
    /// last read.
    pub fn read(&mut self, mut bytes: &[u8], successes: u32) -> Reading {
        let Allowance {
            success,
            worthwhile,
            ..
        } = self.account.allowance;
        if successes > 0 {
            self.account.deposit(successes.saturating_mul(success));
        }
        let mut flooded = false;
        while let Some((head, rest)) = self.scanner.next(bytes) {
            bytes = rest;
            if !self.account.charge(head.price(worthwhile), Instant::now) {
                flooded = true;
                break;
            }
        }
        Reading {
            flooded,
            loudest: self.account.loudest(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::frame_scanner::tests::frame;

    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const PING: u8 = 6;
    const WINDOW_UPDATE: u8 = 8;

    fn started() -> Meter {
        let mut meter = Meter::of_client(Allowance::PORT);
        assert!(!meter.read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0).flooded);
        meter
    }

    /// How many of these a connection may send at once.
    fn most(frame: &[u8]) -> usize {
        let mut meter = started();
        (0..100_000)
            .take_while(|_| !meter.read(frame, 0).flooded)
            .count()
    }

    #[test]
    fn ends_a_connection_after_a_bounded_number_of_frames_of_any_kind() {
        for kind in (1..=20).chain([0xff]) {
            let most = most(&frame(kind, 0));
            assert!((300..=1100).contains(&most), "{most} of type {kind}");
        }
    }

    #[test]
    fn charges_for_data_only_where_there_is_little() {
        assert_eq!(most(&frame(DATA, 512)), 100_000);
        for little in [0, 1, 511] {
            assert!(most(&frame(DATA, little)) <= 1100, "{little}");
        }
    }

    #[test]
    fn charges_for_data_that_is_padded() {
        let mut padded = frame(DATA, 1000);
        padded[4] = 0x8;
        assert!(most(&padded) <= 1100);
    }

    #[test]
    fn charges_for_length() {
        assert!(most(&frame(0xfa, 16 * 1024)) <= 20);
    }

    #[test]
    fn bears_with_a_caller_that_gives_up_all_its_requests() {
        let mut meter = started();
        for _ in 0..128 {
            for (kind, length) in [(HEADERS, 200), (DATA, 0), (RST_STREAM, 4), (PING, 8)] {
                assert!(!meter.read(&frame(kind, length), 0).flooded);
            }
        }
    }

    #[test]
    fn bears_with_a_caller_whose_requests_succeed() {
        let mut meter = started();
        for _ in 0..100_000 {
            for (kind, length) in [
                (HEADERS, 700),
                (DATA, 5000),
                (DATA, 0),
                (WINDOW_UPDATE, 4),
                (WINDOW_UPDATE, 4),
                (PING, 8),
            ] {
                assert!(!meter.read(&frame(kind, length), 0).flooded);
            }
            meter.read(&[], 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bears_with_a_few_frames_a_second_for_ever() {
        let mut meter = started();
        for _ in 0..100 {
            tokio::time::advance(Duration::from_secs(1)).await;
            for _ in 0..Allowance::PORT.rate {
                assert!(!meter.read(&frame(PING, 8), 0).flooded);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ends_a_flood_that_is_slow_but_does_not_stop() {
        let mut meter = started();
        let sent = async {
            let mut sent = 0;
            while !meter.read(&frame(PING, 8), 0).flooded {
                sent += 1;
                tokio::time::advance(Duration::from_millis(5)).await;
            }
            sent
        };
        let sent = tokio::time::timeout(Duration::from_secs(3600), sent).await;
        assert!((1024..8192).contains(&sent.unwrap()));
    }

    #[test]
    fn names_the_frames_that_overdrew_it() {
        let mut meter = started();
        for _ in 0..500 {
            meter.read(&frame(WINDOW_UPDATE, 4), 0);
        }
        meter.read(&[], 100);
        for _ in 0..300 {
            meter.read(&frame(HEADERS, 10), 0);
            meter.read(&frame(PING, 8), 0);
        }
        let reading = meter.read(&frame(PING, 1024 * 1024), 0);
        assert!(reading.flooded);
        assert_eq!(reading.loudest, Frame::Ping);
    }

    #[test]
    fn a_server_sends_no_preface() {
        let settings = frame(4, 0);
        let mut meter = Meter::of_server(Allowance {
            burst: 1,
            rate: 0,
            ..Allowance::PORT
        });
        assert!(!meter.read(&settings, 0).flooded);
        assert!(meter.read(&settings, 0).flooded);
    }
}
