//! Writes log lines on a thread of its own.
//!
//! Lines are gathered in a buffer, and a thread of their own writes what has
//! gathered: a reader that is slow or stuck (a full pipe) never holds up a
//! request, and thousands of lines a second cost a hundred writes. The buffer is
//! bounded; what does not fit is dropped and counted.
//!
//! tracing-appender's non-blocking writer would be less code, but it bounds its
//! buffer in lines and not in bytes, does not count lines whose write fails, and
//! at the end gives up on a full buffer after a tenth of a second.

use std::{
    io::{self, Write},
    mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// Bytes of lines that may wait.
const CAPACITY: usize = 1024 * 1024;

/// How long lines gather before they are written.
const GATHER: Duration = Duration::from_millis(10);

/// How long the process waits at its end until the last lines are written.
const FAREWELL: Duration = Duration::from_secs(1);

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many lines were dropped because the reader of the log was too slow or is gone.
#[must_use]
pub fn dropped_lines() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Pending>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    lines: Vec<u8>,
    closed: bool,
    finished: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        // A buffer of bytes is whole after any panic.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the log's lines go.
#[derive(Debug, Clone)]
pub(super) struct LineWriter(Arc<Shared>);

/// Writes what is still unwritten when it is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the log"]
pub struct Guard {
    shared: Arc<Shared>,
}

/// Starts the thread that writes to `output`.
pub(super) fn spawn(output: impl Write + Send + 'static) -> io::Result<(LineWriter, Guard)> {
    let shared = Arc::<Shared>::default();
    thread::Builder::new().name("log".to_owned()).spawn({
        let shared = Arc::clone(&shared);
        move || write_lines(&shared, output)
    })?;
    let guard = Guard {
        shared: Arc::clone(&shared),
    };
    Ok((LineWriter(shared), guard))
}

fn write_lines(shared: &Shared, mut output: impl Write) {
    let mut lines = Vec::new();
    loop {
        let closed = {
            let mut pending = shared
                .changed
                .wait_while(shared.lock(), |pending| {
                    pending.lines.is_empty() && !pending.closed
                })
                .unwrap_or_else(PoisonError::into_inner);
            if !pending.closed {
                // Until closed, or the time is up.
                pending = shared
                    .changed
                    .wait_timeout_while(pending, GATHER, |pending| !pending.closed)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
            mem::swap(&mut lines, &mut pending.lines);
            pending.closed
        };
        // A log that can't be written can't say so; the metric does.
        if output
            .write_all(&lines)
            .and_then(|()| output.flush())
            .is_err()
        {
            let lost = lines.iter().filter(|byte| **byte == b'\n').count();
            DROPPED.fetch_add(lost.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        if closed {
            shared.lock().finished = true;
            shared.changed.notify_all();
            return;
        }
        lines.clear();
        // A flood's buffer is not kept for the quiet times.
        lines.shrink_to(CAPACITY / 16);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut pending = self.shared.lock();
        pending.closed = true;
        self.shared.changed.notify_all();
        // A reader that is stuck must not keep the process from ending.
        let _ = self
            .shared
            .changed
            .wait_timeout_while(pending, FAREWELL, |pending| !pending.finished);
    }
}

impl<'a> MakeWriter<'a> for LineWriter {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// One call of `write` is one line: the formatter hands over whole events.
impl Write for &LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut pending = self.0.lock();
        if pending.closed || pending.lines.len() + line.len() > CAPACITY {
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        let was_empty = pending.lines.is_empty();
        pending.lines.extend_from_slice(line);
        drop(pending);
        if was_empty {
            self.0.changed.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Hands each write to a test, and waits until the test has taken it.
    struct Handed(mpsc::SyncSender<Vec<u8>>);

    impl Write for Handed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0
                .send(bytes.to_vec())
                .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn handed() -> (LineWriter, Guard, mpsc::Receiver<Vec<u8>>) {
        let (sender, receiver) = mpsc::sync_channel(0);
        let (writer, guard) = spawn(Handed(sender)).unwrap();
        (writer, guard, receiver)
    }

    #[test]
    fn writes_lines_in_their_order() {
        let (writer, guard, written) = handed();
        for line in ["one\n", "two\n", "three\n"] {
            (&writer).write_all(line.as_bytes()).unwrap();
        }
        let reader = thread::spawn(move || written.iter().flatten().collect::<Vec<u8>>());
        drop(guard);
        assert_eq!(reader.join().unwrap(), b"one\ntwo\nthree\n");
    }

    #[test]
    fn writes_without_waiting_for_the_end() {
        let (writer, _guard, written) = handed();
        (&writer).write_all(b"now\n").unwrap();
        assert_eq!(written.recv().unwrap(), b"now\n");
        drop(written);
    }

    #[test]
    fn drops_and_counts_what_a_stuck_reader_does_not_take() {
        let (writer, guard, written) = handed();
        let line = vec![b'x'; CAPACITY / 4];
        let before = dropped_lines();
        // The thread may hold one buffer at most, and another may wait.
        for _ in 0..9 {
            (&writer).write_all(&line).unwrap();
        }
        assert!(dropped_lines() > before);
        drop(written);
        drop(guard);
    }

    #[test]
    fn counts_what_cannot_be_written() {
        let (writer, guard, written) = handed();
        drop(written);
        let before = dropped_lines();
        (&writer).write_all(b"one\ntwo\n").unwrap();
        drop(guard);
        assert!(dropped_lines() >= before + 2);
    }
}
