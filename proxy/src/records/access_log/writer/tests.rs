use std::sync::{Condvar, MutexGuard};

use super::*;
use crate::records::test_util::{head, request};

/// A file in memory, which can be made to wait, as one whose reader is slow.
#[derive(Clone, Default)]
struct Slow(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    text: Vec<u8>,
    waits: bool,
    /// The writer is in it, and waits.
    is_waiting: bool,
    fails: bool,
}

impl Slow {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap()
    }

    fn set_waits(&self, waits: bool) {
        self.state().waits = waits;
        self.0.1.notify_all();
    }

    fn until_the_writer_waits(&self) {
        let state = self.state();
        drop(
            self.0
                .1
                .wait_while(state, |state| !state.is_waiting)
                .unwrap(),
        );
    }

    fn lines(&self) -> usize {
        let state = self.state();
        state.text.iter().filter(|byte| **byte == b'\n').count()
    }
}

impl Write for Slow {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        state.is_waiting = state.waits;
        self.0.1.notify_all();
        let mut state = self.0.1.wait_while(state, |state| state.waits).unwrap();
        state.is_waiting = false;
        if state.fails {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.text.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn start(out: &Slow) -> AccessLog {
    let (format, _) = Format::text(Some("%REQ(X-LONG)%")).unwrap();
    AccessLog::start(format, Box::new(out.clone())).unwrap()
}

fn write(worker: &WorkerLog, length: usize, lines: usize) {
    let mut head = head("a");
    head.fields.push(b"x-long", &vec![b'x'; length]);
    for _ in 0..lines {
        worker.write(&Entry::from(&request(&head)));
    }
}

#[test]
fn a_flush_writes_what_all_workers_have() {
    let out = Slow::default();
    let log = start(&out);
    let (first, second) = (log.worker(), log.worker());
    write(&first, 3, 2);
    write(&second, BLOCK, 1);
    write(&second, 3, 1);
    log.flush();
    assert_eq!(out.lines(), 4);
    assert_eq!(log.dropped_lines(), 0);
}

#[test]
fn lines_are_written_without_a_flush() {
    let out = Slow::default();
    out.set_waits(true);
    let log = start(&out);
    write(&log.worker(), 3, 1);
    // The interval has passed.
    out.until_the_writer_waits();
}

#[test]
fn what_does_not_fit_into_the_queue_is_dropped_and_counted() {
    let out = Slow::default();
    out.set_waits(true);
    let log = start(&out);
    let worker = log.worker();
    write(&worker, BLOCK, 1);
    out.until_the_writer_waits();
    write(&worker, BLOCK / 2, 2 * (QUEUE + 3));
    assert_eq!(log.dropped_lines(), 6);
    out.set_waits(false);
    log.flush();
    assert_eq!(out.lines(), 1 + 2 * QUEUE);
}

#[test]
fn lines_that_can_not_be_written_are_counted() {
    let out = Slow::default();
    out.state().fails = true;
    let log = start(&out);
    write(&log.worker(), 3, 5);
    log.flush();
    assert_eq!(log.dropped_lines(), 5);
    out.state().fails = false;
    write(&log.worker(), 3, 1);
    log.flush();
    assert_eq!(out.lines(), 1);
}

#[test]
fn a_file_is_appended_to() {
    let path = std::env::temp_dir().join(format!("pillion-access-log-{}", std::process::id()));
    std::fs::write(&path, "before\n").unwrap();
    let text = format!(r#"{{"accessLogFile": {path:?}, "accessLogFormat": "%PROTOCOL%"}}"#);
    let config = AccessLogConfig::parse(&text).unwrap().0.unwrap();
    let log = AccessLog::open(config).unwrap();
    write(&log.worker(), 1, 1);
    log.flush();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "before\nHTTP/1.1\n"
    );
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn says_why_a_file_can_not_be_opened() {
    let text = r#"{"accessLogFile": "/proc/none/log"}"#;
    let config = AccessLogConfig::parse(text).unwrap().0.unwrap();
    let error = AccessLog::open(config).unwrap_err().to_string();
    assert!(
        error.starts_with("can't open \"/proc/none/log\""),
        "{error}"
    );
}
