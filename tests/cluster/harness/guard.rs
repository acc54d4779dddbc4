//! The process that brings the cluster up for this run, and takes it down when the run ends.
//!
//! Statics are not dropped, and neither is anything in a process that is killed. So a shell reads from a pipe: when the
//! test process ends, however it does, the kernel closes the pipe's other end.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// Another run waits for the lock until this one's cluster is down. What `hack/cluster` starts must not keep it.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
# Nobody may be there any more to read what is said here.
trap : PIPE
exec 9>"$1"
flock --nonblock 9 || {
  echo "the cluster tests wait until an earlier run has ended" >&2
  flock 9
}
echo locked
if hack/cluster up 9>&- >/dev/null; then result=up; else result=failed; fi
echo "$result" 2>/dev/null
cat >/dev/null
[ -n "$PILLION_CLUSTER_KEEP" ] || hack/cluster down 9>&- >/dev/null 2>&1
"#;

/// As long as it lives, the cluster is this run's.
#[derive(Debug)]
pub struct Guard {
    _shell: Child,
    _input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Guard {
    /// Waits for its turn. `bash` has the cluster's environment and folder.
    pub fn take(mut bash: Command, number: u8) -> Result<Self, String> {
        let lock = std::env::temp_dir().join(format!("pillion-cluster-{number}.lock"));
        let mut shell = bash
            .args(["-c", SCRIPT, "pillion-cluster-guard"])
            .arg(lock)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the test; the cluster is taken down after it.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start bash: {error}"))?;
        let (Some(input), Some(output)) = (shell.stdin.take(), shell.stdout.take()) else {
            return Err("bash has no pipes".to_owned());
        };
        let mut guard = Self {
            _shell: shell,
            _input: input,
            output: BufReader::new(output),
        };
        guard.read("locked")?;
        Ok(guard)
    }

    /// Waits until the cluster is up.
    pub fn up(&mut self) -> Result<(), String> {
        self.read("up")
    }

    fn read(&mut self, expected: &str) -> Result<(), String> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        match read {
            Ok(_) if line.trim_end() == expected => Ok(()),
            _ => Err(format!("it is not {expected}; why is said above")),
        }
    }
}
