//! How many connections the process can carry: as many as it has descriptors and memory for.
//!
//! A process that takes more fails for all of its clients, by the system's hand.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::net::sizes::{BULK, BULK_OF_THREAD, MAX_PIPES, SIZE};

/// More than that are not needed.
const MOST: usize = 30_000;
/// Less would be of no use, whatever the limits are.
const LEAST: usize = 64;
/// Descriptors of a connection: the client's, and the server's.
const FILES_OF_ONE: usize = 2;
/// Descriptors for everything else: listeners, the sidecar's own ports, probes and scrapes.
const FILES_OF_THE_REST: usize = 512;
/// Descriptors of a worker's pipes.
const FILES_OF_WORKER: usize = 2 * MAX_PIPES;
/// Memory of a connection at its worst: a full buffer in each direction on both sides.
const MEMORY_OF_ONE: usize = 4 * SIZE;
/// What it takes on top where both of its sides bring much at a time.
const BULK_OF_ONE: usize = 2 * (BULK - SIZE);
/// Where the system says how much memory the container may have, in both versions of control groups.
const MEMORY_LIMITS: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];

/// Connections that so many workers may have open at a time. It raises the limit of descriptors as far as
/// the process may, as Go's runtime does: the soft limit is often 1,024, for programs that use
/// `select`.
pub(super) fn connections(workers: usize) -> usize {
    let files = raise_files();
    let memory = MEMORY_LIMITS.iter().find_map(|path| {
        let text = fs::read_to_string(path).ok()?;
        // Without a limit it says "max".
        text.trim().parse().ok()
    });
    fitting(files, memory, workers)
}

/// The limit of descriptors once it is raised, `None` without one.
fn raise_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(error) => {
            tracing::warn!(%error, "can't raise the limit of open files");
            limit.current
        }
    }
}

/// How many fit into so many descriptors, and three quarters of so many bytes of memory.
fn fitting(files: Option<u64>, memory: Option<u64>, workers: usize) -> usize {
    let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let by_files = files.map_or(MOST, |files| {
        let rest = FILES_OF_THE_REST.saturating_add(workers.saturating_mul(FILES_OF_WORKER));
        whole(files).saturating_sub(rest) / FILES_OF_ONE
    });
    let by_memory = memory.map_or(MOST, |memory| {
        let memory = whole(memory / 4 * 3);
        // Either some connections have all of the workers' buffers for bulk, or all have some.
        let bulk = workers.saturating_mul(BULK_OF_THREAD);
        let some = memory.saturating_sub(bulk) / MEMORY_OF_ONE;
        let all = memory / (MEMORY_OF_ONE + BULK_OF_ONE);
        some.max(all)
    });
    by_files.min(by_memory).clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_what_there_is() {
        let gibibyte = 1 << 30;
        assert_eq!(fitting(None, None, 2), 30_000);
        assert_eq!(fitting(Some(1_048_576), None, 2), 30_000);
        assert_eq!(fitting(Some(20_000), None, 2), 9_680);
        assert_eq!(fitting(Some(1_048_576), Some(gibibyte), 0), 12_288);
        assert_eq!(fitting(Some(1_048_576), Some(gibibyte), 2), 12_176);
        assert_eq!(fitting(None, Some(gibibyte / 8), 2), 1_424);
        assert_eq!(fitting(Some(256), Some(1), 2), 64);
    }

    #[test]
    fn few_connections_do_not_have_all_of_many_workers_buffers() {
        let eighth = (1 << 30) / 8;
        assert_eq!(fitting(None, Some(eighth), 20), 416);
        assert_eq!(fitting(None, Some(eighth), 64), 341);
    }

    #[test]
    fn uses_all_the_descriptors_that_it_may() {
        let most = connections(2);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert!((LEAST..=MOST).contains(&most));
    }
}
