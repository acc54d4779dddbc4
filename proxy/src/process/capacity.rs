//! How many connections the process can carry: as many as it has descriptors and memory for.
//!
//! A process that takes more fails for all of its clients, by the system's hand.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than that are not needed.
const MOST: usize = 30_000;
/// Less would be of no use, whatever the limits are.
const LEAST: usize = 64;
/// Descriptors of a connection: the client's, and the server's.
const FILES_OF_ONE: usize = 2;
/// Descriptors for everything else: listeners, the sidecar's own ports, probes and scrapes.
const FILES_OF_THE_REST: usize = 512;
/// Memory of a connection at its worst: a full buffer in each direction on both sides.
const MEMORY_OF_ONE: u64 = 64 * 1024;
/// Where the system says how much memory the container may have, in both versions of control groups.
const MEMORY_LIMITS: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];

/// Connections that may be open at a time. It raises the limit of descriptors as far as
/// the process may, as Go's runtime does: the soft limit is often 1,024, for programs that use
/// `select`.
pub(super) fn connections() -> usize {
    let files = raise_files();
    let memory = MEMORY_LIMITS.iter().find_map(|path| {
        let text = fs::read_to_string(path).ok()?;
        // Without a limit it says "max".
        text.trim().parse().ok()
    });
    fitting(files, memory)
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
fn fitting(files: Option<u64>, memory: Option<u64>) -> usize {
    let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let by_files = files.map_or(MOST, |files| {
        whole(files).saturating_sub(FILES_OF_THE_REST) / FILES_OF_ONE
    });
    let by_memory = memory.map_or(MOST, |memory| whole(memory / 4 * 3 / MEMORY_OF_ONE));
    by_files.min(by_memory).clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_what_there_is() {
        let gibibyte = 1 << 30;
        assert_eq!(fitting(None, None), 30_000);
        assert_eq!(fitting(Some(1_048_576), None), 30_000);
        assert_eq!(fitting(Some(20_000), None), 9_744);
        assert_eq!(fitting(Some(1_048_576), Some(gibibyte)), 12_288);
        assert_eq!(fitting(None, Some(gibibyte / 8)), 1_536);
        assert_eq!(fitting(Some(256), Some(1)), 64);
    }

    #[test]
    fn uses_all_the_descriptors_that_it_may() {
        let most = connections();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert!((LEAST..=MOST).contains(&most));
    }
}
