//! The process of Envoy, which the agent starts once, and whose end is its own.

use std::{
    ffi::OsString,
    io,
    os::unix::process::ExitStatusExt as _,
    process::{ExitCode, ExitStatus, Stdio},
    time::Duration,
};

use axum::http::Method;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::process::ask_envoy;

/// How long Envoy may take to end, each time that it is told to.
const ENDING: Duration = Duration::from_secs(5);

/// A running Envoy. It is killed where the agent ends before it.
#[derive(Debug)]
pub(super) struct Envoy(Child);

/// It can't be started.
#[derive(Debug, thiserror::Error)]
#[error("can't start Envoy's program {}", .program.display())]
pub(super) struct NotStarted {
    program: OsString,
    source: io::Error,
}

impl Envoy {
    /// Starts it. It writes to where the agent writes.
    pub fn start(program: OsString, arguments: Vec<OsString>) -> Result<Self, NotStarted> {
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        match command.spawn() {
            Ok(child) => Ok(Self(child)),
            Err(source) => Err(NotStarted { program, source }),
        }
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.0.wait().await
    }

    /// Ends it: it is asked to, told to, and killed.
    pub async fn end(self) -> io::Result<ExitStatus> {
        let asked = ask_envoy(Method::POST, "/quitquitquit").await;
        if let Err(error) = &asked {
            tracing::debug!(%error, "Envoy can't be asked to end");
        }
        self.end_after(asked.is_ok()).await
    }

    async fn end_after(mut self, is_asked: bool) -> io::Result<ExitStatus> {
        if !is_asked {
            self.terminate();
        }
        if let Ok(ended) = timeout(ENDING, self.ended()).await {
            return ended;
        }
        self.terminate();
        if let Ok(ended) = timeout(ENDING, self.ended()).await {
            return ended;
        }
        tracing::warn!("Envoy does not end, and is killed");
        self.0.start_kill()?;
        self.ended().await
    }

    fn terminate(&self) {
        let id = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(process) = id.and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(process, Signal::TERM);
        }
    }
}

/// What the agent ends with: Envoy's code, or what a shell makes of a signal.
pub(super) fn exit_code(status: ExitStatus) -> ExitCode {
    let signal = status.signal().map(|signal| signal + 128);
    let code = status.code().or(signal);
    let code = code.and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell in Envoy's place.
    fn shell(script: &str) -> Envoy {
        Envoy::start("sh".into(), vec!["-c".into(), script.into()]).unwrap()
    }

    #[tokio::test]
    async fn its_end_is_told() {
        let status = shell("exit 3").ended().await.unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(
            format!("{:?}", exit_code(status)),
            format!("{:?}", ExitCode::from(3))
        );
        let status = shell("kill -KILL $$").ended().await.unwrap();
        assert_eq!(
            format!("{:?}", exit_code(status)),
            format!("{:?}", ExitCode::from(137))
        );
    }

    #[tokio::test]
    async fn one_that_can_not_be_asked_is_told() {
        let status = shell("trap 'exit 7' TERM; while :; do sleep 0.05; done");
        let status = status.end_after(false).await.unwrap();
        // The signal may come before the trap.
        assert!(
            status.code() == Some(7) || status.signal() == Some(15),
            "{status}"
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _in = runtime.enter();
        let error = Envoy::start("no-such-envoy".into(), Vec::new()).unwrap_err();
        assert!(error.to_string().contains("no-such-envoy"), "{error}");
    }
}
