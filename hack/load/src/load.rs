//! The connections, and who sends when.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    num::NonZeroU64,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    thread::set_current_timer_slack,
};

use super::{connection::Connection, schedule::Schedule};

/// Connections that are looked at before the clock is.
const EVENTS: usize = 64;

/// Connections that are kept from one run to the next.
pub(crate) struct Load {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    request: Vec<u8>,
    /// When the request that a connection waits for was due.
    due: Vec<Option<Instant>>,
    idle: Vec<usize>,
    rate: Option<f64>,
}

/// What came of a run.
pub(crate) struct Measured {
    pub answered: u32,
    pub took: Duration,
    /// In an open loop also the age of what was due and not answered.
    pub latencies: Vec<Duration>,
}

impl Load {
    /// Opens the connections.
    pub fn connect(target: SocketAddr, count: usize, rate: Option<f64>) -> anyhow::Result<Self> {
        // Arrivals are microseconds apart; the default slack is 50 µs.
        set_current_timer_slack(NonZeroU64::new(1))?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(count);
        for number in 0..count {
            let connection = Connection::open(target)?;
            let data = epoll::EventData::new_u64(number.try_into()?);
            epoll::add(&epoll, &connection, data, epoll::EventFlags::IN)?;
            connections.push(connection);
        }
        let request = format!(
            "GET /index HTTP/1.1\r\nHost: {target}\r\nUser-Agent: pillion-load\r\nAccept: */*\r\n\r\n"
        );
        Ok(Self {
            epoll,
            connections,
            request: request.into_bytes(),
            due: vec![None; count],
            idle: (0..count).collect(),
            rate,
        })
    }

    /// Sends requests for that long.
    pub fn run(&mut self, length: Duration) -> anyhow::Result<Measured> {
        let began = Instant::now();
        let end = began + length;
        let mut schedule = self.rate.map(Schedule::new);
        let mut waiting = VecDeque::new();
        let mut latencies = Vec::new();
        let mut events = Vec::with_capacity(EVENTS);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let now = Instant::now();
            if now >= end {
                break;
            }
            let next = match &mut schedule {
                Some(schedule) => {
                    waiting.extend(std::iter::from_fn(|| schedule.take(now)));
                    self.send_waiting(&mut waiting)?;
                    schedule.next().min(end)
                }
                None => {
                    waiting.extend(self.idle.iter().map(|_| now));
                    self.send_waiting(&mut waiting)?;
                    end
                }
            };
            events.clear();
            let timeout = Timespec::try_from(next.saturating_duration_since(Instant::now()))?;
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout))?;
            for event in events.drain(..) {
                let number = usize::try_from(event.data.u64())?;
                let connection = self.connections.get_mut(number);
                let connection = connection.context("an event of no connection")?;
                if !connection.receive(&mut buffer)? {
                    continue;
                }
                let due = self.due[number].take();
                let due = due.context("a response without a request")?;
                latencies.push(due.elapsed());
                self.idle.push(number);
            }
        }
        let took = began.elapsed();
        let answered = latencies.len().try_into()?;
        if schedule.is_some() {
            let unanswered = self.due.iter().flatten().chain(&waiting);
            latencies.extend(unanswered.map(Instant::elapsed));
        }
        Ok(Measured {
            answered,
            took,
            latencies,
        })
    }

    /// Sends what is due, as far as there are idle connections.
    fn send_waiting(&mut self, waiting: &mut VecDeque<Instant>) -> anyhow::Result<()> {
        while !waiting.is_empty() {
            let Some(number) = self.idle.pop() else {
                break;
            };
            self.due[number] = waiting.pop_front();
            self.connections[number].send(&self.request)?;
        }
        Ok(())
    }
}
