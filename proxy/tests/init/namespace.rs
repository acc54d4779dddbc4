//! A network namespace, programs in it, and servers that say which port was reached.

use std::{
    env, fmt, fs,
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// What the injected container passes.
pub const INJECTED: [&str; 16] = [
    "-p",
    "15001",
    "-z",
    "15006",
    "-u",
    "1337",
    "-m",
    "REDIRECT",
    "-i",
    "*",
    "-x",
    "",
    "-b",
    "*",
    "-d",
    "15090,15021,15020",
];

const BINARY: &str = env!("CARGO_BIN_EXE_pillion-proxy");
const UNPRIVILEGED: &str = "setpriv --reuid 1337 --regid 1337 --clear-groups --inh-caps +net_admin,+net_raw \
                            --ambient-caps +net_admin,+net_raw --bounding-set -all,+net_admin,+net_raw --no-new-privs --";

/// Whether namespaces can be made. Without them the tests fail in CI, and say elsewhere
/// that they are skipped.
pub fn can_run() -> bool {
    let lacking = lacking();
    if let Some(lacking) = &lacking {
        assert!(env::var_os("CI").is_none(), "{lacking}");
        // Past the capture of the test's output: nobody may miss it.
        let _ = writeln!(io::stderr(), "SKIPPED: {lacking}");
    }
    lacking.is_none()
}

fn lacking() -> Option<String> {
    for (program, package) in [
        ("ip", "iproute2"),
        ("iptables-nft-save", "iptables"),
        ("iptables-legacy-save", "iptables"),
        ("setpriv", "util-linux"),
        ("setcap", "libcap2-bin"),
        ("python3", "python3"),
    ] {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {program}")])
            .output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Some(format!(
                "these tests need {program}: apt-get install {package}"
            ));
        }
    }
    let name = unique();
    let made = Command::new("ip")
        .args(["netns", "add", &name])
        .output()
        .unwrap();
    let _ = Command::new("ip").args(["netns", "del", &name]).output();
    let complaint = String::from_utf8_lossy(&made.stderr);
    (!made.status.success()).then(|| format!("these tests need root: {}", complaint.trim()))
}

fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("pillion-init-{}-{next}", std::process::id())
}

/// What a run came to.
pub struct Run {
    pub code: i32,
    pub text: String,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}\n{}", self.code, self.text)
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            text: text(&output.stdout) + &text(&output.stderr),
        }
    }
}

/// A network namespace with its loopback interface up. It ends with the value.
pub struct Namespace {
    name: String,
    /// Where every user may look.
    folder: PathBuf,
}

impl Namespace {
    pub fn new() -> Self {
        let name = unique();
        let folder = env::temp_dir().join(&name);
        fs::create_dir(&folder).unwrap();
        let namespace = Self { name, folder };
        let made = Command::new("ip")
            .args(["netns", "add", &namespace.name])
            .status();
        assert!(made.unwrap().success());
        namespace.sh("ip link set lo up");
        namespace
    }

    fn run(&self, script: &str, variables: &[(&str, &str)]) -> Run {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, "sh", "-c", script]);
        command.envs(variables.iter().copied());
        command.output().unwrap().into()
    }

    /// Runs a script that has to succeed, and returns what it prints.
    pub fn sh(&self, script: &str) -> String {
        let run = self.run(script, &[]);
        assert_eq!(run.code, 0, "{script}: {run}");
        run.text
    }

    pub fn init(&self, flags: &[&str]) -> Run {
        self.init_with(flags, &[])
    }

    pub fn init_with(&self, flags: &[&str], variables: &[(&str, &str)]) -> Run {
        self.init_as("", flags, variables)
    }

    /// As the proxy's user, with file capabilities alone: those of the user's permitted
    /// set, as a container runtime leaves them, may come back from the binary also where
    /// no privileges may be gained.
    pub fn init_unprivileged(&self, flags: &[&str]) -> Run {
        let binary = self.folder.join("pillion-proxy");
        if !binary.exists() {
            fs::copy(BINARY, &binary).unwrap();
            self.sh(&format!(
                "setcap cap_net_admin,cap_net_raw+p {}",
                binary.display()
            ));
        }
        self.start(UNPRIVILEGED, &binary, flags, &[])
    }

    pub fn init_as(&self, user: &str, flags: &[&str], variables: &[(&str, &str)]) -> Run {
        self.start(user, Path::new(BINARY), flags, variables)
    }

    fn start(&self, user: &str, binary: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Run {
        let flags: Vec<_> = flags.iter().map(|flag| format!("'{flag}'")).collect();
        let script = format!("exec {user} {} init {}", binary.display(), flags.join(" "));
        self.run(&script, variables)
    }

    /// What a program like `iptables-nft-save` shows, without comments and counters.
    pub fn rules(&self, program: &str) -> String {
        let shown = self.run(program, &[]).text;
        let lines = shown.lines().filter(|line| !line.starts_with('#'));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Another namespace, joined with this: 10.9.0.1 here, 10.9.0.2 and .3 there.
    pub fn peer(&self) -> Namespace {
        let peer = Self::new();
        self.sh(&format!(
            "ip link add v0 type veth peer name v0 netns {} && ip addr add 10.9.0.1/24 dev v0 && ip link set v0 up",
            peer.name
        ));
        peer.sh(
            "ip addr add 10.9.0.2/24 dev v0 && ip addr add 10.9.0.3/24 dev v0 && ip link set v0 up",
        );
        peer
    }

    /// Servers on these ports of all addresses, as the proxy's user. Each answers with
    /// its port.
    pub fn serve(&self, ports: &[u16]) -> Servers<'_> {
        let script = "
import socket, sys, threading
def serve(port):
    listener = socket.create_server(('0.0.0.0', port))
    ready.release()
    while True:
        connection, _ = listener.accept()
        connection.sendall(str(port).encode())
        connection.close()
ready = threading.Semaphore(0)
for port in sys.argv[1:]:
    threading.Thread(target=serve, args=(int(port),), daemon=True).start()
for _ in sys.argv[1:]:
    ready.acquire()
print('ready', flush=True)
sys.stdin.read()";
        let mut command = Command::new("ip");
        command.args([
            "netns",
            "exec",
            &self.name,
            "setpriv",
            "--reuid",
            "1337",
            "--regid",
            "1337",
            "--clear-groups",
        ]);
        command
            .args([&python(), "-c", script])
            .args(ports.iter().map(u16::to_string));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut ready = [0; 5];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut ready)
            .unwrap();
        Servers {
            namespace: self,
            child,
        }
    }

    /// What answers a user who connects from here.
    pub fn ask(&self, user: u32, target: &str) -> String {
        let (address, port) = target.split_once(':').unwrap();
        let script = format!(
            "import socket\ntry:\n  print(socket.create_connection((\"{address}\", {port}), 10).recv(9).decode())\nexcept ConnectionRefusedError:\n  \
             print(\"refused\")"
        );
        let python = python();
        let shell =
            format!("setpriv --reuid {user} --regid {user} --clear-groups {python} -c '{script}'");
        self.sh(&shell).trim().to_owned()
    }
}

/// Every user may run it, whatever comes first in PATH.
fn python() -> String {
    let all = ["/usr/bin/python3", "/usr/local/bin/python3"];
    let found = all.into_iter().find(|path| Path::new(path).exists());
    found.unwrap_or("python3").to_owned()
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Servers in a namespace. They end with the value.
pub struct Servers<'a> {
    namespace: &'a Namespace,
    child: Child,
}

impl Servers<'_> {
    pub fn ask(&self, user: u32, target: &str) -> String {
        self.namespace.ask(user, target)
    }
}

impl Drop for Servers<'_> {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(5);
        while !matches!(self.child.try_wait(), Ok(Some(_))) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
