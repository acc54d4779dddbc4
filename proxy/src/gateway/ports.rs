//! The ports that the tables name: opened and closed as these change.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};

use crate::process::{Entrance, Entrances, is_own};

/// How often a port is tried again that could not be opened: what holds it may have ended.
const RETRY: Duration = Duration::from_secs(5);
/// Ports that may be open at a time. Each has two sockets on each worker.
const MOST: usize = 100;

/// Why a port of the tables is not open.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("it is the proxy's own: choose another targetPort for the Gateway's port")]
    Own,
    #[error("{MOST} ports are open, which is the most that a gateway opens")]
    TooMany,
    #[error("{0}; is another process of the pod listening on it?")]
    Taken(io::Error),
}

/// Opens what the tables name and closes what they don't, for as long as the process runs.
pub(super) async fn follow(entrances: Arc<Entrances>) {
    let mut tables = entrances.tables.clone();
    let mut ports = Ports::default();
    let mut retry = interval(RETRY);
    retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let wanted = tables
            .borrow_and_update()
            .listeners
            .bound
            .keys()
            .copied()
            .collect();
        ports.become_these(&wanted, &*entrances);
        entrances.metrics.set_closed_ports(ports.closed.len());
        tokio::select! {
            changed = tables.changed() => if changed.is_err() {
                // The configuration stays as it is, and so do the ports.
                return std::future::pending().await;
            },
            _ = retry.tick(), if !ports.closed.is_empty() => {}
        }
    }
}

/// Opens and closes ports.
trait Doors {
    fn open(&self, port: u16) -> io::Result<()>;
    fn close(&self, port: u16);
}

impl Doors for Entrances {
    fn open(&self, port: u16) -> io::Result<()> {
        Self::open(self, Entrance::Bound(port), port)
    }

    fn close(&self, port: u16) {
        Self::close(self, Entrance::Bound(port));
    }
}

/// The ports of the tables.
#[derive(Debug, Default)]
struct Ports {
    open: BTreeSet<u16>,
    /// Those that could not be opened, and why.
    closed: BTreeMap<u16, String>,
}

impl Ports {
    /// Closes and opens ports until these are open, except for those that can't be.
    fn become_these(&mut self, wanted: &BTreeSet<u16>, doors: &impl Doors) {
        for port in self.open.extract_if(.., |port| !wanted.contains(port)) {
            doors.close(port);
            tracing::info!(port, "closed a port that no Gateway names any more");
        }
        self.closed.retain(|port, _| wanted.contains(port));
        for &port in wanted {
            if self.open.contains(&port) {
                continue;
            }
            match self.open_one(port, doors) {
                Ok(()) => {
                    self.open.insert(port);
                    self.closed.remove(&port);
                    tracing::info!(port, "opened a port of a Gateway");
                }
                Err(closed) => self.report(port, &closed),
            }
        }
    }

    fn open_one(&self, port: u16, doors: &impl Doors) -> Result<(), Closed> {
        if is_own(port) {
            return Err(Closed::Own);
        }
        if self.open.len() >= MOST {
            return Err(Closed::TooMany);
        }
        doors.open(port).map_err(Closed::Taken)
    }

    /// Says once why a port is not open.
    fn report(&mut self, port: u16, closed: &Closed) {
        let why = closed.to_string();
        if self.closed.get(&port) != Some(&why) {
            tracing::error!(port, "can't open a port of a Gateway: {why}");
            self.closed.insert(port, why);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Doors of which some are taken, and what was done with the others.
    #[derive(Default)]
    struct Recorded {
        taken: Vec<u16>,
        log: RefCell<Vec<String>>,
    }

    impl Doors for Recorded {
        fn open(&self, port: u16) -> io::Result<()> {
            if self.taken.contains(&port) {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            self.log.borrow_mut().push(format!("open {port}"));
            Ok(())
        }

        fn close(&self, port: u16) {
            self.log.borrow_mut().push(format!("close {port}"));
        }
    }

    impl Recorded {
        fn log(&self) -> Vec<String> {
            self.log.take()
        }
    }

    #[test]
    fn opens_what_is_new_and_closes_what_is_gone() {
        let (mut ports, doors) = (Ports::default(), Recorded::default());
        ports.become_these(&[8080, 8443].into(), &doors);
        assert_eq!(doors.log(), ["open 8080", "open 8443"]);
        ports.become_these(&[8080, 31400].into(), &doors);
        assert_eq!(doors.log(), ["close 8443", "open 31400"]);
        ports.become_these(&[8080, 31400].into(), &doors);
        assert_eq!(doors.log(), [""; 0]);
    }

    #[test]
    fn a_port_that_is_taken_keeps_no_other_closed_and_is_tried_again() {
        let mut doors = Recorded {
            taken: vec![8080],
            ..Recorded::default()
        };
        let mut ports = Ports::default();
        let wanted = [8080, 8443].into();
        ports.become_these(&wanted, &doors);
        assert_eq!(doors.log(), ["open 8443"]);
        assert!(ports.closed[&8080].contains("listening on it?"));
        doors.taken.clear();
        ports.become_these(&wanted, &doors);
        assert_eq!(doors.log(), ["open 8080"]);
        assert!(ports.closed.is_empty());
    }

    #[test]
    fn the_proxy_s_own_ports_stay_its_own() {
        let (mut ports, doors) = (Ports::default(), Recorded::default());
        ports.become_these(&[15000, 15021, 15090].into(), &doors);
        assert_eq!(doors.log(), [""; 0]);
        assert_eq!(ports.closed.len(), 3);
        ports.become_these(&[].into(), &doors);
        assert!(ports.closed.is_empty());
    }

    #[test]
    fn there_are_not_too_many() {
        let (mut ports, doors) = (Ports::default(), Recorded::default());
        let wanted: BTreeSet<u16> = (1..=101).collect();
        ports.become_these(&wanted, &doors);
        assert_eq!((doors.log().len(), ports.closed.len()), (100, 1));
    }
}
