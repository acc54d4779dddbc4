//! The programs that are compared, and what else is needed.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The version of Envoy that `hack/bench` uses, too.
const ENVOY: &str = "envoy-1.40.0";

/// As `hack/common.sh` names it.
const W3C: &str = "w3c-trace-context-acab820";

/// Where the programs are.
pub struct Programs {
    pub pillion: PathBuf,
    pub envoy: PathBuf,
}

/// Finds the programs. Without one of them, or without root, the test fails in CI, and says
/// elsewhere that it is skipped.
pub fn find() -> Option<Programs> {
    let programs = Programs {
        pillion: pillion(),
        envoy: tool(ENVOY),
    };
    // Tests run at the same time, and the namespace that is tried has one name for all of them.
    static LACKING: OnceLock<Option<String>> = OnceLock::new();
    let lacking = LACKING.get_or_init(|| lacking(&programs));
    have(lacking.clone()).then_some(programs)
}

/// Finds h2spec, in the same way.
pub fn find_h2spec() -> Option<PathBuf> {
    let program = tool("h2spec");
    have(absent(&program, "hack/go/build h2spec")).then_some(program)
}

/// Finds the program of SPIFFE's library for Go, in the same way.
pub fn find_spiffe() -> Option<PathBuf> {
    let program = tool("spiffe");
    have(absent(&program, "hack/go/build spiffe")).then_some(program)
}

/// Finds the W3C's tests of trace contexts, in the same way; `PILLION_WITHOUT_W3C` says that they can't be had here.
pub fn find_w3c() -> Option<PathBuf> {
    let suite = tool(W3C);
    if env::var_os("PILLION_WITHOUT_W3C").is_some() {
        let _ = writeln!(io::stderr(), "SKIPPED: the W3C's tests of trace contexts");
        return None;
    }
    have(absent(&suite.join("test/test.py"), "hack/test fetches it")).then_some(suite)
}

/// Whether nothing is lacking.
fn have(lacking: Option<String>) -> bool {
    let Some(lacking) = lacking else {
        return true;
    };
    assert!(env::var_os("CI").is_none(), "{lacking}");
    // Past the capture of the test's output: nobody may miss it.
    let _ = writeln!(io::stderr(), "SKIPPED: {lacking}");
    false
}

fn absent(program: &Path, how: &str) -> Option<String> {
    let text = || format!("scenarios need {}: {how}", program.display());
    (!program.exists()).then(text)
}

/// Beside the test's own folder, as cargo builds it.
fn pillion() -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    profile.join("pillion-proxy")
}

fn tool(name: &str) -> PathBuf {
    let tools = env::var_os("PILLION_TOOLS").map(PathBuf::from);
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("hack/.cache/bin");
    tools.unwrap_or(cache).join(name)
}

fn lacking(programs: &Programs) -> Option<String> {
    for (program, how) in [
        (&programs.pillion, "cargo build -p pillion-proxy"),
        (&programs.envoy, "hack/test installs it"),
    ] {
        if let Some(absent) = absent(program, how) {
            return Some(absent);
        }
    }
    for (program, package) in [
        ("ip", "iproute2"),
        ("iptables-restore", "iptables"),
        ("setpriv", "util-linux"),
    ] {
        let script = format!("command -v {program}");
        let found = Command::new("sh").args(["-c", &script]).output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Some(format!(
                "scenarios need {program}: apt-get install {package}"
            ));
        }
    }
    let name = format!("pillion-scenarios-{}", std::process::id());
    let made = Command::new("ip").args(["netns", "add", &name]).output();
    let _ = Command::new("ip").args(["netns", "del", &name]).output();
    let made = made.unwrap();
    let complaint = String::from_utf8_lossy(&made.stderr);
    (!made.status.success()).then(|| format!("scenarios need root: {}", complaint.trim()))
}
