//! What a process has: memory of its own, and descriptors.

use std::{
    fmt, fs, thread,
    time::{Duration, Instant},
};

use crate::bounds::FREE;

/// Generous: nothing is measured.
const PATIENCE: Duration = Duration::from_secs(90);

/// What stays, in KiB, where all buffers have been in use at once: a free one that a worker keeps holds
/// a page of the allocator, and the others in that page. 5.5 MiB have been seen.
pub const PAGES: u64 = 8 * 1024;

/// Descriptors that may stay: the pool's connections to the application, which are closed
/// after some seconds.
const KEPT_FILES: usize = 4;

/// What a process has at one time.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// In KiB.
    memory: u64,
    files: usize,
}

impl Usage {
    /// Of the process with that number.
    pub fn of(process: u32) -> Self {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Pss_Anon:"));
        let memory = line.unwrap().trim().trim_end_matches(" kB");
        let files = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        Self {
            memory: memory.parse().unwrap(),
            files: files.count(),
        }
    }

    /// Waits until the process has what it had then: a fifth more memory at most, the free
    /// buffers that its workers keep, and so many KiB. It is used meanwhile: the allocator gives
    /// back what a thread has freed when that thread goes on allocating.
    pub fn is_back(self, process: u32, more: u64, use_it: impl Fn()) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Self::of(process);
            let memory = self.memory * 6 / 5 + FREE + more;
            if now.memory <= memory && now.files <= self.files + KEPT_FILES {
                println!("before: {self}; after: {now}");
                return;
            }
            assert!(Instant::now() < deadline, "before: {self}; after: {now}");
            thread::sleep(Duration::from_millis(100));
            use_it();
        }
    }

    /// Memory that has come on top since then, in KiB.
    pub fn grown(self, process: u32) -> u64 {
        Self::of(process).memory.saturating_sub(self.memory)
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB, {} descriptors", self.memory, self.files)
    }
}
