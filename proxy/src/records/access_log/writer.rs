//! The way of lines from workers to the file.
//!
//! A worker appends to its own block. A full block waits in a bounded queue for the thread
//! that writes, which also takes what is there every second. Nobody waits for the file but
//! that thread: when the queue is full, a block is dropped and its lines are counted.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    config::{AccessLogConfig, Destination},
    entry::Entry,
    format::Format,
};

/// Bytes from which on a block is handed over.
const BLOCK: usize = 32 * 1024;
/// Full blocks that may wait.
const QUEUE: usize = 64;
/// How long a line stays with its worker at most.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long the process waits for its last lines.
const LAST_FLUSH: Duration = Duration::from_secs(2);

/// Why the log can't be written.
#[derive(Debug, thiserror::Error)]
pub(in crate::records) enum OpenError {
    #[error("can't open {path:?}: {error}")]
    File {
        path: std::path::PathBuf,
        error: io::Error,
    },
    #[error("can't start its thread: {0}")]
    Thread(io::Error),
}

/// The log of the process.
#[derive(Debug)]
pub(in crate::records) struct AccessLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    format: Format,
    queue: SyncSender<Message>,
    workers: Mutex<Vec<Arc<Mutex<Block>>>>,
    dropped: AtomicU64,
}

/// Whole lines.
#[derive(Debug, Default)]
struct Block {
    text: Vec<u8>,
    lines: u64,
}

#[derive(Debug)]
enum Message {
    Full(Block),
    /// Write everything, and say so.
    Flush(SyncSender<()>),
}

/// A worker's end of the log.
#[derive(Debug)]
pub(in crate::records) struct WorkerLog {
    shared: Arc<Shared>,
    block: Arc<Mutex<Block>>,
}

impl AccessLog {
    /// Opens the file and starts the thread.
    ///
    /// # Errors
    ///
    /// When the file can't be opened, or there are no more threads.
    pub fn open(config: AccessLogConfig) -> Result<Self, OpenError> {
        let out: Box<dyn Write + Send> = match config.to {
            Destination::Stdout => Box::new(io::stdout()),
            Destination::Stderr => Box::new(io::stderr()),
            Destination::File(path) => Box::new(append_to(&path).map_err(|error| {
                let path = path.clone();
                OpenError::File { path, error }
            })?),
        };
        Self::start(config.format, out)
    }

    fn start(format: Format, out: Box<dyn Write + Send>) -> Result<Self, OpenError> {
        let (queue, messages) = sync_channel(QUEUE);
        let shared = Arc::new(Shared {
            format,
            queue,
            workers: Mutex::default(),
            dropped: AtomicU64::default(),
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
            messages,
            out,
        };
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run())
            .map_err(OpenError::Thread)?;
        Ok(Self(shared))
    }

    /// An end for one more worker.
    pub fn worker(&self) -> WorkerLog {
        let block = Arc::<Mutex<Block>>::default();
        lock(&self.0.workers).push(Arc::clone(&block));
        WorkerLog {
            shared: Arc::clone(&self.0),
            block,
        }
    }

    /// Lines that have been dropped.
    pub fn dropped_lines(&self) -> u64 {
        self.0.dropped.load(Relaxed)
    }

    /// Writes everything and waits for it, for two seconds at most.
    pub fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        let until = Instant::now() + LAST_FLUSH;
        let mut message = Message::Flush(done);
        while let Err(TrySendError::Full(back)) = self.0.queue.try_send(message) {
            if Instant::now() >= until {
                return;
            }
            message = back;
            thread::sleep(Duration::from_millis(5));
        }
        // Whoever reads the log may have stopped.
        let _ = is_done.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

fn append_to(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

impl WorkerLog {
    /// Appends a line.
    pub fn write(&self, entry: &Entry<'_>) {
        let mut block = lock(&self.block);
        self.shared.format.write(entry, &mut block.text);
        block.lines += 1;
        if block.text.len() < BLOCK {
            return;
        }
        let room = Vec::with_capacity(BLOCK + BLOCK / 8);
        let full = Block {
            text: mem::replace(&mut block.text, room),
            lines: mem::take(&mut block.lines),
        };
        drop(block);
        let sent = self.shared.queue.try_send(Message::Full(full));
        if let Err(
            TrySendError::Full(Message::Full(lost))
            | TrySendError::Disconnected(Message::Full(lost)),
        ) = sent
        {
            self.shared.dropped.fetch_add(lost.lines, Relaxed);
        }
    }
}

/// Nothing under a lock panics halfway, so what is behind it is whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread has.
struct Writer {
    shared: Arc<Shared>,
    messages: Receiver<Message>,
    out: Box<dyn Write + Send>,
}

impl Writer {
    /// Writes until the process ends.
    fn run(mut self) {
        let mut next = Instant::now() + INTERVAL;
        loop {
            let time = next.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(time) {
                Ok(Message::Full(block)) => self.write(block),
                Ok(Message::Flush(done)) => self.flush(&done),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if Instant::now() >= next {
                self.write_workers();
                next = Instant::now() + INTERVAL;
            }
        }
    }

    /// Writes all full blocks, and then what workers have.
    fn flush(&mut self, done: &SyncSender<()>) {
        while let Ok(message) = self.messages.try_recv() {
            match message {
                Message::Full(block) => self.write(block),
                Message::Flush(other) => drop(other.try_send(())),
            }
        }
        self.write_workers();
        // It may have waited long enough.
        let _ = done.try_send(());
    }

    fn write_workers(&mut self) {
        let workers = lock(&self.shared.workers).clone();
        for block in workers {
            let block = mem::take(&mut *lock(&block));
            self.write(block);
        }
    }

    fn write(&mut self, block: Block) {
        if block.text.is_empty() {
            return;
        }
        let written = self.out.write_all(&block.text);
        if let Err(error) = written.and_then(|()| self.out.flush()) {
            let before = self.shared.dropped.fetch_add(block.lines, Relaxed);
            if before == 0 {
                tracing::warn!(%error, "lines of the access log are lost; the next ones are counted and not reported");
            }
        }
    }
}

#[cfg(test)]
mod tests;
