//! What the scripts of the benchmarks share.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
};

/// Runs a script that has the functions of a part of `hack/bench proxy`, and returns what it prints.
fn run(script: &str, argument: &str) -> String {
    let script = format!("set -euo pipefail\nsource bench.d/proxy.d/processes.sh\n{script}");
    let output = Command::new("bash")
        .args(["-c", &script, "bench", argument])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether it still answers, which a process can't do once it has a signal.
fn answers(process: &mut Child) -> bool {
    let mut line = String::new();
    let asked = process.stdin.as_mut().unwrap().write_all(b"there?\n");
    let answer = BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line);
    asked.is_ok() && answer.is_ok() && line == "there?\n"
}

#[test]
fn who_was_stopped_is_forgotten() {
    let script = r#"
        for _ in 1 2 3; do sleep 1000 & started+=("$!"); done
        second=${started[1]} rest="${started[0]} ${started[2]}"
        stop "$second"
        [ "${started[*]}" = "$rest" ] && echo forgotten
        ! kill -0 "$second" 2>/dev/null && echo ended
        stop "${started[@]}"
        echo "left: ${#started[@]}"
    "#;
    assert_eq!(run(script, ""), "forgotten\nended\nleft: 0\n");
}

/// A number that was a child's may be anybody's.
#[test]
fn strangers_are_not_stopped() {
    let mut stranger = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let script = r#"
        started=("$1")
        stop "$1"
        echo "left: ${#started[@]}"
    "#;
    let printed = run(script, &stranger.id().to_string());
    let is_there = answers(&mut stranger);
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert_eq!(printed, "left: 0\n");
    assert!(is_there);
}
