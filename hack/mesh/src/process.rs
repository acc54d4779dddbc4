//! What the kernel says of a process.

use std::{fs, io::ErrorKind, time::Duration};

use anyhow::Context as _;

/// What a process has in memory, in MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Now.
    pub resident: f64,
    /// The most that it has had.
    pub peak: f64,
}

impl Memory {
    /// Of a process.
    pub fn of(process: u32) -> anyhow::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/status"))
            .with_context(|| format!("no process {process}"))?;
        let mib = |name: &str| -> anyhow::Result<f64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
            Ok(kib.context("no memory")?.parse::<f64>()? / 1024.0)
        };
        Ok(Self {
            resident: mib("VmRSS:")?,
            peak: mib("VmHWM:")?,
        })
    }
}

/// The time that all threads of a process were on a processor.
pub(crate) fn processor_time(process: u32) -> anyhow::Result<Duration> {
    let threads = fs::read_dir(format!("/proc/{process}/task"))
        .with_context(|| format!("no process {process}"))?;
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
