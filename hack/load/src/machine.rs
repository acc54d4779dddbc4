//! What the kernel says of processes and processors.

use std::{fs, io::ErrorKind, time::Duration};

use anyhow::Context as _;

/// `USER_HZ`, which is 100 wherever Rust runs on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time, since some beginning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Of the processes under test.
    pub process: Duration,
    /// Of all that take part.
    ours: Duration,
    /// Of the whole machine.
    busy: Duration,
    /// Busy or idle, all processors together.
    all: Duration,
}

impl Usage {
    /// Up to now.
    pub fn now(processes: &[u32], helpers: &[u32]) -> anyhow::Result<Self> {
        let times = processes.iter().map(|process| processor_time(*process));
        let process: Duration = times.sum::<anyhow::Result<_>>()?;
        let mut ours = process + processor_time(std::process::id())?;
        for helper in helpers {
            ours += processor_time(*helper)?;
        }
        let text = fs::read_to_string("/proc/stat")?;
        let (busy, all) = processors(&text).context("/proc/stat can't be read")?;
        Ok(Self {
            process,
            ours,
            busy,
            all,
        })
    }

    /// From another moment to this one.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            process: self.process.saturating_sub(before.process),
            ours: self.ours.saturating_sub(before.ours),
            busy: self.busy.saturating_sub(before.busy),
            all: self.all.saturating_sub(before.all),
        }
    }

    /// How much of the machine's processor time others used.
    pub fn foreign_percent(&self) -> f64 {
        let foreign = self.busy.saturating_sub(self.ours);
        100.0 * foreign.as_secs_f64() / self.all.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// The time that all threads of a process were on a processor.
fn processor_time(process: u32) -> anyhow::Result<Duration> {
    let folder = format!("/proc/{process}/task");
    let threads = fs::read_dir(&folder).with_context(|| format!("no process {process}"))?;
    let mut nanoseconds = 0;
    for thread in threads {
        let text = match fs::read_to_string(thread?.path().join("schedstat")) {
            Ok(text) => text,
            // The thread has ended.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error).context("the kernel has no schedstat"),
        };
        let time = text.split(' ').next().unwrap_or_default();
        nanoseconds += time.parse::<u64>().context("schedstat")?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Busy and all time, from the first line of `/proc/stat`: user, nice, system, idle, iowait,
/// irq, softirq, steal.
fn processors(text: &str) -> Option<(Duration, Duration)> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let fields = line.split_whitespace().take(8).map(str::parse::<f64>);
    let ticks: Vec<_> = fields.collect::<Result<_, _>>().ok()?;
    let all: f64 = ticks.iter().sum();
    let idle = ticks.get(3)? + ticks.get(4)?;
    let time = |ticks: f64| Duration::from_secs_f64(ticks / TICKS_PER_SECOND);
    Some((time(all - idle), time(all)))
}

/// MiB that a process has in memory.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// All of it, with the program's own pages.
    pub resident: f64,
    /// What the process has written to.
    pub anonymous: f64,
}

impl Memory {
    /// What several processes have now, together. They may share pages.
    pub fn of_all(processes: &[u32]) -> anyhow::Result<Self> {
        processes.iter().try_fold(Self::default(), |sum, process| {
            let one = Self::of(*process)?;
            Ok(Self {
                resident: sum.resident + one.resident,
                anonymous: sum.anonymous + one.anonymous,
            })
        })
    }

    /// What a process has now.
    pub fn of(process: u32) -> anyhow::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/status"))?;
        Ok(Self {
            resident: mib(&text, "VmRSS:")?,
            anonymous: mib(&text, "RssAnon:")?,
        })
    }
}

fn mib(status: &str, name: &str) -> anyhow::Result<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: f64 = kib.with_context(|| format!("no {name}"))?.parse()?;
    Ok(kib / 1024.0)
}

/// How many descriptors a process has open.
pub(crate) fn descriptors(process: u32) -> anyhow::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{process}/fd"))?.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_own_process() {
        let usage = Usage::now(&[std::process::id()], &[]).unwrap();
        assert!(usage.process > Duration::ZERO && usage.all > usage.busy);
        let memory = Memory::of(std::process::id()).unwrap();
        let twice = Memory::of_all(&[std::process::id(), std::process::id()]).unwrap();
        assert!(twice.anonymous > memory.anonymous);
        assert!(memory.anonymous > 0.0 && memory.resident > memory.anonymous);
        assert!(descriptors(std::process::id()).unwrap() > 2);
        assert!(Usage::now(&[u32::MAX], &[]).is_err());
    }

    #[test]
    fn foreign_is_what_nobody_here_used() {
        let (busy, all) = processors("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 …").unwrap();
        let usage = Usage {
            process: Duration::from_secs(1),
            ours: Duration::from_millis(1500),
            busy,
            all,
        };
        assert!((usage.foreign_percent() - 5.0).abs() < 1e-9);
    }
}
