//! Runs a command with a temporary control plane: `pillion-envtest COMMAND…`.
//!
//! The command's environment has `KUBECONFIG`, and the tools in `PATH`. Without a command,
//! the kubeconfig's path is printed, and the control plane runs until standard input is
//! closed.

use std::{ffi::OsString, process::ExitCode};

use anyhow::Context;
use pillion_envtest::{ControlPlane, tools_folder};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os()
        .skip(1)
        .skip_while(|argument| argument == "--");
    let plane = ControlPlane::start().await?;
    match arguments.next() {
        Some(program) => run(&plane, program, arguments.collect()).await,
        None => wait(&plane).await,
    }
}

async fn run(
    plane: &ControlPlane,
    program: OsString,
    arguments: Vec<OsString>,
) -> anyhow::Result<ExitCode> {
    let tools = tools_folder().canonicalize()?;
    let old = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(tools).chain(std::env::split_paths(&old)))?;
    let mut child = Command::new(&program)
        .args(arguments)
        .env("KUBECONFIG", plane.kubeconfig())
        .env("PATH", path)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let status = loop {
        tokio::select! {
                    status = child.wait() => break status?,
        // The command also receives Ctrl-C; it decides when to exit.
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => pass_on_sigterm(&child).await?,
                }
    };
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Forwards SIGTERM to the command, which may have to clean up.
async fn pass_on_sigterm(child: &Child) -> anyhow::Result<()> {
    if let Some(pid) = child.id() {
        // A builtin of bash, because the program may not be installed.
        let arguments = ["-c", &format!("kill {pid}")];
        Command::new("bash").args(arguments).status().await?;
    }
    Ok(())
}

async fn wait(plane: &ControlPlane) -> anyhow::Result<ExitCode> {
    println!("KUBECONFIG={}", plane.kubeconfig().display());
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut rest = Vec::new();
    let mut input = tokio::io::stdin();
    tokio::select! {
        _ = input.read_to_end(&mut rest) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(ExitCode::SUCCESS)
}
