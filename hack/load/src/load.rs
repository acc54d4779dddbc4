//! The connections, and who sends when.

mod patience;
mod turn;

use std::{
    collections::{HashSet, VecDeque},
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

use self::turn::Turn;
use super::{
    connection::Connection,
    failures::Failures,
    measured::Done,
    requests::{Prepared, Request},
    schedule::Schedule,
    stream::Target,
};

/// What is done about a request that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// The run ends.
    End,
    /// It is counted, and its connection opened anew. So is a response that came by another route than the one
    /// that its request asked for.
    Count,
}

/// Connections that are kept from one run to the next.
pub(crate) struct Load {
    target: Target,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    requests: Vec<Prepared>,
    /// The number of the next request.
    next: usize,
    /// What a connection waits for: when it was due, and its number.
    due: Vec<Option<(Instant, usize)>>,
    idle: Vec<usize>,
    schedule: Option<Schedule>,
    /// When requests were due that no connection is free for.
    waiting: VecDeque<Instant>,
    on_failure: OnFailure,
    pub failures: Failures,
    /// Connections without a request that the other side closed.
    pub closed: usize,
    /// The generations of rules that responses came by.
    pub generations: HashSet<u64>,
}

impl Load {
    /// Opens the connections.
    pub fn connect(
        target: impl Into<Target>,
        count: usize,
        requests: &[Request],
        rate: Option<f64>,
        on_failure: OnFailure,
    ) -> anyhow::Result<Self> {
        // Arrivals are microseconds apart; the default slack is 50 µs.
        set_current_timer_slack(NonZeroU64::new(1))?;
        anyhow::ensure!(!requests.is_empty(), "there is nothing to ask for");
        let mut load = Self {
            target: target.into(),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: Vec::with_capacity(count),
            requests: requests.iter().map(Request::prepare).collect(),
            next: 0,
            due: vec![None; count],
            idle: (0..count).collect(),
            schedule: rate.map(Schedule::new),
            waiting: VecDeque::new(),
            on_failure,
            failures: Failures::default(),
            closed: 0,
            generations: HashSet::new(),
        };
        for number in 0..count {
            let connection = load.open(number)?;
            load.connections.push(connection);
        }
        Ok(load)
    }

    fn open(&self, number: usize) -> anyhow::Result<Connection> {
        let connection = Connection::open(&self.target)?;
        let data = epoll::EventData::new_u64(number.try_into()?);
        epoll::add(&self.epoll, &connection, data, epoll::EventFlags::IN)?;
        Ok(connection)
    }

    /// Has what is due begin now: whoever calls it has done something else meanwhile.
    pub fn begin(&mut self) {
        if let Some(schedule) = &mut self.schedule {
            schedule.restart();
            self.waiting.clear();
        }
    }

    /// Sends requests for that long.
    pub fn run(&mut self, length: Duration) -> anyhow::Result<Done> {
        let end = Instant::now() + length;
        let mut turn = Turn::new();
        loop {
            let now = Instant::now();
            if now >= end {
                break;
            }
            let next = self.send_due(now)?.map_or(end, |next| next.min(end));
            self.receive_until(next, &mut turn)?;
        }
        let answered: u32 = turn.latencies.len().try_into()?;
        Ok(Done {
            amount: answered.into(),
            latencies: turn.latencies,
        })
    }

    /// Waits until something comes, or until then, and receives it.
    fn receive_until(&mut self, until: Instant, turn: &mut Turn) -> anyhow::Result<()> {
        turn.events.clear();
        let timeout = Timespec::try_from(until.saturating_duration_since(Instant::now()))?;
        let events = spare_capacity(&mut turn.events);
        epoll::wait(&self.epoll, events, Some(&timeout))?;
        for event in turn.events.drain(..) {
            let number = usize::try_from(event.data.u64())?;
            let latency = self.receive(number, &mut turn.buffer)?;
            turn.latencies.extend(latency);
        }
        Ok(())
    }

    /// How old the requests are that were due in an open loop, and are not answered.
    pub fn ages(&self) -> Vec<Duration> {
        if self.schedule.is_none() {
            return Vec::new();
        }
        let sent = self.due.iter().flatten().map(|(due, _)| due);
        sent.chain(&self.waiting).map(Instant::elapsed).collect()
    }

    /// Sends what is due, as far as there are idle connections, and says when the next one will be.
    fn send_due(&mut self, now: Instant) -> anyhow::Result<Option<Instant>> {
        let next = match &mut self.schedule {
            Some(schedule) => {
                self.waiting
                    .extend(std::iter::from_fn(|| schedule.take(now)));
                Some(schedule.next())
            }
            None => {
                self.waiting.extend(self.idle.iter().map(|_| now));
                None
            }
        };
        while !self.waiting.is_empty() {
            let Some(number) = self.idle.pop() else {
                break;
            };
            let request = self.next;
            self.next = (request + 1) % self.requests.len();
            self.due[number] = self.waiting.pop_front().map(|due| (due, request));
            if let Err(error) = self.connections[number].send(&self.requests[request].bytes) {
                self.fail(number, error)?;
            }
        }
        Ok(next)
    }

    /// Receives what a connection has. A latency once the response is complete.
    fn receive(&mut self, number: usize, buffer: &mut [u8]) -> anyhow::Result<Option<Duration>> {
        let connection = self.connections.get_mut(number);
        let connection = connection.context("an event of no connection")?;
        match connection.receive(buffer) {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(error) => {
                self.fail(number, error)?;
                return Ok(None);
            }
        }
        let due = self.due[number].take();
        let (due, request) = due.context("a response without a request")?;
        self.idle.push(number);
        if self.on_failure == OnFailure::Count {
            let head = self.connections[number].head();
            match self.requests[request].generation(head) {
                Some(generation) => _ = self.generations.insert(generation),
                None => self.failures.add(&anyhow::anyhow!("came by another route")),
            }
        }
        Ok(Some(due.elapsed()))
    }

    fn fail(&mut self, number: usize, error: anyhow::Error) -> anyhow::Result<()> {
        if self.on_failure == OnFailure::End {
            return Err(error);
        }
        if self.due[number].take().is_some() {
            self.failures.add(&error);
            self.idle.push(number);
        } else {
            self.closed += 1;
        }
        self.connections[number] = self.open(number)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{SocketAddr, TcpListener},
        thread,
    };

    use super::*;

    fn request() -> Request {
        Request {
            authority: "web".to_owned(),
            path: "/".to_owned(),
            mark: "\r\nx-route: 1-2-".to_owned(),
        }
    }

    /// A server that answers the first request.
    fn server(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let mut held = Vec::new();
            let (mut client, _) = listener.accept().unwrap();
            assert!(client.read(&mut [0; 1024]).unwrap() > 0);
            client.write_all(answer.as_bytes()).unwrap();
            held.push(client);
            // What comes then has no answer.
            held.extend(listener.incoming().map_while(Result::ok));
        });
        address
    }

    fn until_counted(target: SocketAddr) -> Load {
        let mut load = Load::connect(target, 1, &[request()], None, OnFailure::Count).unwrap();
        while load.failures.count() == 0 && load.generations.is_empty() {
            load.run(Duration::from_millis(5)).unwrap();
        }
        load
    }

    #[test]
    fn counts_what_fails_and_goes_on() {
        let load = until_counted(server("HTTP/1.1 503 Service Unavailable\r\n\r\n"));
        assert_eq!(
            load.failures.to_string(),
            "1 × HTTP/1.1 503 Service Unavailable"
        );
    }

    #[test]
    fn a_response_by_another_route_is_a_failure() {
        let wrong = "HTTP/1.1 200 OK\r\nx-route: 1-3-7\r\ncontent-length: 0\r\n\r\n";
        let load = until_counted(server(wrong));
        assert_eq!(load.failures.to_string(), "1 × came by another route");
    }

    #[test]
    fn knows_the_generations_that_it_has_seen() {
        let right = "HTTP/1.1 200 OK\r\nx-route: 1-2-17\r\ncontent-length: 0\r\n\r\n";
        let load = until_counted(server(right));
        assert_eq!(load.generations, HashSet::from([17]));
    }

    #[test]
    fn the_first_failure_ends_a_measurement() {
        let target = server("HTTP/1.1 503 Service Unavailable\r\n\r\n");
        let mut load = Load::connect(target, 1, &[request()], None, OnFailure::End).unwrap();
        while load.run(Duration::from_millis(5)).is_ok() {}
    }
}
