//! Tests that the control plane stops when the process that started it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// Starts a control plane in a separate process; returns that and its directory.
fn start() -> (Child, PathBuf) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pillion-envtest"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let kubeconfig = line
        .trim()
        .strip_prefix("KUBECONFIG=")
        .expect("no kubeconfig");
    let folder = Path::new(kubeconfig).parent().unwrap().to_owned();
    (child, folder)
}

/// Returns the process ids of all three daemons; the last starts when the others are ready.
fn pids(folder: &Path) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let text = fs::read_to_string(folder.join("pids")).unwrap();
        if text.lines().count() == 3 {
            return text.lines().map(str::to_owned).collect();
        }
        assert!(Instant::now() < deadline, "only {text:?}");
        sleep(Duration::from_millis(20));
    }
}

fn ends(folder: &Path, pids: &[String]) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while folder.exists() || pids.iter().any(|pid| Path::new("/proc").join(pid).exists()) {
        assert!(
            Instant::now() < deadline,
            "still there: {pids:?} {}",
            folder.display()
        );
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn nothing_is_left_of_a_killed_process() {
    let (mut child, folder) = start();
    let pids = pids(&folder);
    child.kill().unwrap();
    child.wait().unwrap();
    ends(&folder, &pids);
}

#[test]
fn nothing_is_left_when_standard_input_ends() {
    let (mut child, folder) = start();
    let pids = pids(&folder);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    ends(&folder, &pids);
}
