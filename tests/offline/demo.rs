//! What `hack/demo` leaves when it is killed.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

/// Takes the lock as `hack/demo` does, and waits for a process. `wait` is where it waits for its child.
const DEMO: &str = r#"
set -euo pipefail
source hack/demo.d/wait.sh
wait() { echo waits; builtin wait "$@"; }
exec 9>"$1"
flock -n 9
wait_to_stop "$2"
"#;

/// As with `hack/demo --keep &` and `kill -9`: the next demo must not wait for the end of a node that
/// nobody ends.
#[test]
fn a_demo_that_is_killed_leaves_no_lock() {
    // What it waits for outlives it.
    let node = std::process::id().to_string();
    let lock = std::env::temp_dir().join(format!("pillion-demo-{node}.lock"));
    let mut demo = Command::new("bash")
        .args(["-c", DEMO, "demo"])
        .args([lock.as_os_str(), node.as_ref()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let said = demo.stdout.take().unwrap();
    BufReader::new(said).read_line(&mut line).unwrap();
    assert_eq!(line, "waits\n");
    let next = |wait: &str| {
        let mut flock = Command::new("flock");
        let flock = flock.args(["-w", wait]).arg(&lock).arg("true");
        flock.status().unwrap().success()
    };
    assert!(!next("0"));
    demo.kill().unwrap();
    demo.wait().unwrap();
    // Its child may just be about to begin.
    let is_free = next("20");
    std::fs::remove_file(&lock).unwrap();
    assert!(is_free);
}
