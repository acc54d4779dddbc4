//! Commands, and what they say when they fail.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

/// What takes longer has come to a stop: each command waits for two minutes at most by itself.
const LIMIT: Duration = Duration::from_secs(180);

/// Runs a command to its end with this input; returns its standard output.
///
/// # Panics
///
/// When it fails, with what it said.
pub async fn output(command: &mut Command, input: &str) -> String {
    let output = run(command, input).await;
    assert!(output.status.success(), "{}", failure(command, &output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command to its end with this input.
///
/// # Panics
///
/// When it does not end.
pub async fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may end without reading all of it.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let ended = timeout(LIMIT, child.wait_with_output()).await;
    ended
        .unwrap_or_else(|_| panic!("{command:?} does not end"))
        .unwrap()
}

fn failure(command: &Command, output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let arguments: Vec<_> = command.as_std().get_args().collect();
    format!(
        "{:?} {arguments:?}: {}\n{}{}",
        command.as_std().get_program(),
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
}
