//! The process that runs the daemons, and stops them when the test process ends.
//!
//! Statics are not dropped, and neither is anything in a process that is killed. So the
//! daemons are children of a shell that reads from a pipe: when the test process ends, the
//! kernel closes the pipe's other end, and the shell cleans up.

use std::{
    fs,
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context, bail};

/// Each line on standard input is the path of a script that runs a daemon. The script uses
/// `exec`, so that the recorded process id is the daemon's.
const SCRIPT: &str = r#"
folder=$1
trap '' INT TERM HUP
while IFS= read -r script; do
  bash "$script" </dev/null >"$script.log" 2>&1 &
  echo $! >>"$folder/pids"
done
# From here on the shell would only tell of the daemons that it ends.
exec 2>/dev/null
pids=$(tac "$folder/pids" 2>/dev/null)
for pid in $pids; do kill -TERM "$pid" 2>/dev/null; done
for _ in $(seq 50); do
  alive=
  for pid in $pids; do kill -0 "$pid" 2>/dev/null && alive=1; done
  [ -z "$alive" ] && break
  sleep 0.1
done
for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
wait
rm -rf "$folder"
"#;

/// A running supervisor. Its daemons stop when it is dropped.
#[derive(Debug)]
pub(crate) struct Supervisor {
    folder: PathBuf,
    input: Option<ChildStdin>,
    shell: Child,
}

impl Supervisor {
    /// Starts a supervisor that owns a directory, and removes it at the end.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        let mut shell = Command::new("bash")
            .args(["-c", SCRIPT, "pillion-envtest-supervisor"])
            .arg(folder)
            .stdin(Stdio::piped())
            // Ctrl-C is for the test; the daemons must stop after it, not before.
            .process_group(0)
            .spawn()
            .context("cannot start bash")?;
        Ok(Self {
            folder: folder.to_owned(),
            input: shell.stdin.take(),
            shell,
        })
    }

    /// Starts a daemon.
    pub fn run(&mut self, name: &str, program: &Path, arguments: &[String]) -> anyhow::Result<()> {
        let script = self.folder.join(name);
        let words: Vec<_> = std::iter::once(program.to_string_lossy().into_owned())
            .chain(arguments.iter().cloned())
            .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
            .collect();
        fs::write(&script, format!("exec {}\n", words.join(" ")))?;
        let Some(input) = &mut self.input else {
            bail!("the supervisor has been stopped");
        };
        writeln!(input, "{}", script.display())?;
        Ok(())
    }

    /// Returns the process ids of the daemons that have been started.
    pub fn pids(&self) -> Vec<u32> {
        fs::read_to_string(self.folder.join("pids"))
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect()
    }

    /// Returns the end of the log of a daemon that has ended, if there is one.
    pub fn failure(&self) -> Option<String> {
        let ended = self.pids().iter().position(|pid| !is_alive(*pid))?;
        let name = ["etcd", "kube-apiserver", "kube-controller-manager"].get(ended)?;
        let log = fs::read_to_string(self.folder.join(format!("{name}.log"))).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(15)..].join("\n");
        Some(format!("{name} ended:\n{tail}"))
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.input.take();
        // The shell always ends; if waiting fails, there is nothing to do.
        let _ = self.shell.wait();
    }
}

/// Whether a process is running. A zombie is not.
pub(crate) fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim_start()
            .starts_with('Z')
    })
}
