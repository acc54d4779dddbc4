//! Metrics of the process, under the names that every Prometheus client uses, and of its log.
//!
//! They are read from /proc at each scrape; what can't be read is left out, so
//! that systems other than Linux show the rest.

use std::{fmt, fs};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

/// Clock ticks a second in /proc: the kernel's USER_HZ, part of its interface.
const TICKS: f64 = 100.0;

/// A collector of what /proc says about the process.
#[derive(Debug)]
pub struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(times) = fs::read_to_string("/proc/self/stat")
            .ok()
            .as_deref()
            .and_then(times)
        {
            let metric = ConstCounter::new(times.cpu);
            metric.encode(encoder.encode_descriptor(
                "process_cpu_seconds",
                "User and system time spent",
                None,
                metric.metric_type(),
            )?)?;
            let boot = fs::read_to_string("/proc/stat")
                .ok()
                .as_deref()
                .and_then(boot_time);
            if let Some(boot) = boot {
                gauge(
                    &mut encoder,
                    "process_start_time_seconds",
                    "When the process started, in seconds since the epoch",
                    boot + times.start,
                )?;
            }
        }
        if let Some(memory) = Memory::of_process() {
            gauge(
                &mut encoder,
                "process_resident_memory_bytes",
                "Resident memory",
                memory.resident as f64,
            )?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is the directory being listed.
            let open = open.count().saturating_sub(1);
            gauge(
                &mut encoder,
                "process_open_fds",
                "Open file descriptors",
                whole(open),
            )?;
        }
        if let Some(most) = fs::read_to_string("/proc/self/limits")
            .ok()
            .as_deref()
            .and_then(most_files)
        {
            gauge(
                &mut encoder,
                "process_max_fds",
                "File descriptors allowed",
                most,
            )?;
        }
        let dropped = ConstCounter::new(crate::dropped_lines());
        dropped.encode(encoder.encode_descriptor(
            "pillion_log_lines_dropped",
            "Log lines dropped because whoever reads the log was too slow or is gone",
            None,
            dropped.metric_type(),
        )?)
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let metric = ConstGauge::new(value);
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

#[derive(Debug, PartialEq)]
struct Times {
    cpu: f64,
    /// Since boot.
    start: f64,
}

/// Seconds from /proc/self/stat. The fields are counted from the end of the
/// command's name, which may contain blanks and parentheses.
fn times(stat: &str) -> Option<Times> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some(Times {
        cpu: (ticks(11)? + ticks(12)?) / TICKS,
        start: ticks(19)? / TICKS,
    })
}

fn boot_time(stat: &str) -> Option<f64> {
    stat.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

/// The memory of the process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// All that is resident.
    pub resident: u64,
    /// The part of it that no file backs: the heap and the stacks.
    pub anonymous: u64,
}

impl Memory {
    /// That of this process; `None` where /proc doesn't say.
    #[must_use]
    pub fn of_process() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        Some(Self {
            resident: bytes(&status, "VmRSS:")?,
            anonymous: bytes(&status, "RssAnon:")?,
        })
    }
}

fn bytes(status: &str, field: &str) -> Option<u64> {
    let kib: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix(field))?
        .trim()
        .strip_suffix(" kB")?
        .parse()
        .ok()?;
    kib.checked_mul(1024)
}

fn most_files(limits: &str) -> Option<f64> {
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

fn whole(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_behind_a_name_with_parentheses() {
        let stat = "42 (a (b) c) S 1 1 1 0 -1 4194304 99 0 0 0 150 50 0 0 20 0 1 0 3000 1 2";
        assert_eq!(
            times(stat),
            Some(Times {
                cpu: 2.0,
                start: 30.0
            })
        );
    }

    #[test]
    fn reads_resident_memory_in_bytes() {
        assert_eq!(
            bytes("Name:\tx\nVmRSS:\t    2048 kB\n", "VmRSS:"),
            Some(2_097_152)
        );
    }

    #[test]
    fn reads_the_soft_limit_of_files() {
        let limits = "Limit  Soft  Hard  Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(most_files(limits), Some(1024.0));
    }

    #[test]
    fn leaves_out_what_it_cannot_read() {
        assert_eq!(times("nonsense"), None);
        assert_eq!(boot_time("cpu 1 2 3"), None);
        assert_eq!(bytes("", "VmRSS:"), None);
        assert_eq!(most_files("Max open files unlimited unlimited files"), None);
    }
}
