//! Requests that wait for too long: without this, a proxy that loses a response would only be idle.

use std::time::{Duration, Instant};

use super::{Load, turn::Turn};

impl Load {
    /// Counts what was due so long ago, and is not answered, as failed. A request's connection is opened anew, so that
    /// the load stays what it was.
    pub fn give_up(&mut self, patience: Duration) -> anyhow::Result<()> {
        for number in 0..self.due.len() {
            if self.due[number].is_some_and(|(due, _)| due.elapsed() >= patience) {
                self.fail(number, anyhow::anyhow!("no response in time"))?;
            }
        }
        // The first one has waited longest.
        while let Some(due) = self.waiting.front()
            && due.elapsed() >= patience
        {
            self.waiting.pop_front();
            self.failures
                .add(&anyhow::anyhow!("no connection was free in time"));
        }
        Ok(())
    }

    /// Sends nothing more, and waits for what is not answered yet: it fails after so long.
    pub fn finish(&mut self, patience: Duration) -> anyhow::Result<()> {
        // These have not been sent.
        self.waiting.clear();
        let end = Instant::now() + patience;
        let mut turn = Turn::new();
        while self.due.iter().any(Option::is_some) && Instant::now() < end {
            self.receive_until(end, &mut turn)?;
        }
        self.give_up(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        sync::mpsc,
        thread,
    };

    use super::*;
    use crate::{load::OnFailure, requests::Request};

    const RIGHT: &[u8] = b"HTTP/1.1 200 OK\r\nx-route: 1-2-17\r\ncontent-length: 0\r\n\r\n";

    /// A load in an open loop that has sent its first request over its only connection, and a sender that has the
    /// server answer it. Nothing else is ever answered.
    fn load() -> (Load, mpsc::Sender<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        let (answer, answered) = mpsc::channel();
        thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            assert!(client.read(&mut [0; 1024]).unwrap() > 0);
            if answered.recv().is_ok() {
                client.write_all(RIGHT).unwrap();
            }
            let mut held = vec![client];
            held.extend(listener.incoming().map_while(Result::ok));
        });
        let request = Request {
            authority: "web".to_owned(),
            path: "/".to_owned(),
            mark: "\r\nx-route: 1-2-".to_owned(),
        };
        let rate = Some(1000.0);
        let mut load = Load::connect(target, 1, &[request], rate, OnFailure::Count).unwrap();
        while load.due[0].is_none() {
            load.run(Duration::from_millis(1)).unwrap();
        }
        (load, answer)
    }

    #[test]
    fn a_lost_response_is_a_failure() {
        let (mut load, _answer) = load();
        load.finish(Duration::ZERO).unwrap();
        assert_eq!(load.failures.to_string(), "1 × no response in time");
        assert!(load.ages().is_empty());
    }

    #[test]
    fn a_late_response_is_waited_for() {
        let (mut load, answer) = load();
        answer.send(()).unwrap();
        load.finish(Duration::from_secs(60)).unwrap();
        assert_eq!(load.failures.to_string(), "");
        assert!(load.generations.contains(&17));
    }

    #[test]
    fn what_finds_no_connection_in_time_fails_too() {
        let (mut load, _answer) = load();
        while load.waiting.is_empty() {
            load.run(Duration::from_millis(1)).unwrap();
        }
        let waiting = load.waiting.len();
        load.give_up(Duration::ZERO).unwrap();
        assert_eq!(
            load.failures.to_string(),
            format!("{waiting} × no connection was free in time; 1 × no response in time")
        );
        // The connection is free again, and takes the next one.
        while load.due[0].is_none() {
            load.run(Duration::from_millis(1)).unwrap();
        }
    }

    #[test]
    fn who_is_patient_gives_nothing_up() {
        let (mut load, _answer) = load();
        load.give_up(Duration::from_secs(3600)).unwrap();
        assert_eq!(load.failures.count(), 0);
        assert_eq!(load.ages().len(), 1 + load.waiting.len());
    }
}
