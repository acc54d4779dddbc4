//! Running a program, with a limit to its time and to what it prints.

use std::{
    fs::OpenOptions,
    io::{self, Read, Write},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use thiserror::Error;

/// How long a program may take. It waits for the lock of iptables for a third of it.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a program waits for the lock of iptables, in seconds.
pub const LOCK_SECONDS: &str = "10";
/// How much of what a program prints is read.
const MAX_OUTPUT: u64 = 4 << 20;
/// How much of what a program complains of is told.
const MAX_COMPLAINT: usize = 2000;
/// Where programs are looked for: what the pod's environment says doesn't count, since
/// they get this process's capabilities.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The lock of iptables.
const LOCK: &str = "/run/xtables.lock";

/// A program didn't do what it was to do.
#[derive(Debug, Error)]
pub enum Failure {
    /// It isn't there.
    #[error("{program} is not in the image (looked in {PATH})")]
    NotFound {
        /// Its name.
        program: String,
    },
    /// It can't be started, or talked to.
    #[error("{program} can't be run: {source}")]
    Run {
        /// Its name.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It took too long.
    #[error("{program} was ended after {} s", TIMEOUT.as_secs())]
    TimedOut {
        /// Its name.
        program: String,
    },
    /// It printed too much.
    #[error("{program} printed over {MAX_OUTPUT} bytes")]
    TooMuch {
        /// Its name.
        program: String,
    },
    /// It failed.
    #[error("{program} failed ({code}): {complaint}")]
    Failed {
        /// Its name.
        program: String,
        /// Its exit code, or what ended it.
        code: std::process::ExitStatus,
        /// What it said.
        complaint: String,
    },
}

/// Runs a program with this input, and returns what it printed.
///
/// # Errors
///
/// When it can't be run, fails, takes too long, or prints too much.
pub fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, Failure> {
    let name = || program.to_owned();
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Failure::NotFound { program: name() },
        _ => Failure::Run {
            program: name(),
            source,
        },
    };
    let mut child = command(program, arguments).spawn().map_err(failed)?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(failed(io::ErrorKind::BrokenPipe.into()));
    };
    let (status, printed, complaint) = thread::scope(|scope| {
        // A program that fails doesn't read on: its complaint says more than this error.
        scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
        let printed = scope.spawn(|| read(stdout));
        let complaint = scope.spawn(|| read(stderr));
        let status = wait(&mut child);
        let text = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().unwrap_or_default();
        (status, text(printed), text(complaint))
    });
    let Some(status) = status.map_err(failed)? else {
        return Err(Failure::TimedOut { program: name() });
    };
    if !status.success() {
        let complaint: String = complaint.trim().chars().take(MAX_COMPLAINT).collect();
        return Err(Failure::Failed {
            program: name(),
            code: status,
            complaint,
        });
    }
    if printed.len() as u64 > MAX_OUTPUT {
        return Err(Failure::TooMuch { program: name() });
    }
    Ok(printed)
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", PATH);
    let lock = OpenOptions::new().create(true).append(true).open(LOCK);
    if lock.is_err() {
        // Not root, or a read-only file system: then nobody else in this container can
        // have it either, and nobody outside shares a lock with it.
        command.env("XTABLES_LOCKFILE", "/dev/null");
    }
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    command
}

/// One byte over the limit is kept, and shows that it was passed.
fn read(from: impl Read) -> String {
    let mut bytes = Vec::new();
    // What was read before an error counts; the exit code tells the rest.
    let _ = from.take(MAX_OUTPUT + 1).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn wait(child: &mut Child) -> io::Result<Option<std::process::ExitStatus>> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_what_a_program_prints_of_its_input() {
        assert_eq!(run("cat", &[], "a\nb").unwrap(), "a\nb");
    }

    #[test]
    fn tells_a_missing_program_from_one_that_fails() {
        let missing = run("no-such-program", &[], "").unwrap_err();
        assert!(matches!(missing, Failure::NotFound { .. }), "{missing}");
        let failed = run("sh", &["-c", "echo because >&2; exit 4"], "").unwrap_err();
        assert_eq!(failed.to_string(), "sh failed (exit status: 4): because");
    }

    #[test]
    fn refuses_to_read_more_than_the_limit() {
        let error = run("head", &["-c", "5000000", "/dev/zero"], "").unwrap_err();
        assert!(!matches!(error, Failure::NotFound { .. }), "{error}");
    }

    #[test]
    fn keeps_the_pod_s_environment_from_the_program() {
        let printed = run("env", &[], "").unwrap();
        assert!(
            printed
                .lines()
                .all(|line| line.starts_with("PATH=") || line.starts_with("XTABLES_LOCKFILE=")),
            "{printed}"
        );
    }
}
