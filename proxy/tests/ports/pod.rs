//! A pod: a network namespace with an address, and the sidecar in it.
//!
//! A test enters by running itself in there, so that its own sockets are the namespace's.

use std::{
    env, fmt, fs,
    io::{Read as _, Write as _, stderr},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::program::copy;

/// The pod's address.
pub const POD: &str = "10.0.0.5";
/// Its other one; init gives the loopback interface ::6.
pub const POD_V6: &str = "fd00::5";
const BINARY: &str = env!("CARGO_BIN_EXE_pillion-proxy");
const INSIDE: &str = "PILLION_TEST_INSIDE";
/// Generous: nothing is measured.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether this is the test in its namespace. Outside, the test is run there, and has
/// passed when this returns.
pub fn enter() -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let test = thread::current().name().unwrap().to_owned();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("pillion-ports-{}-{next}", process::id());
    let added = ip(&["netns", "add", &name]);
    if let Err(complaint) = added {
        let lacking = format!("these tests need root and iproute2: {complaint}");
        assert!(env::var_os("CI").is_none(), "{lacking}");
        // Past the capture of the test's output: nobody may miss it.
        let _ = writeln!(stderr(), "SKIPPED: {lacking}");
        return false;
    }
    let script = format!(
        "ip link set lo up && ip addr add {POD}/32 dev lo && ip addr add {POD_V6}/128 dev lo nodad \
         && ip addr add ::6/128 dev lo nodad && exec \"$0\" --exact \"$1\" --nocapture"
    );
    let binary = env::current_exe().unwrap();
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", &name, "sh", "-c", &script]);
    let output = inside.arg(binary).arg(&test).env(INSIDE, "1").output();
    let _ = ip(&["netns", "del", &name]);
    let output = output.unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
    false
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    match Command::new("ip").args(arguments).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Captures the pod's traffic, as its init container would.
pub fn capture() {
    let arguments = "init -p 15001 -z 15006 -u 1337 -m REDIRECT -i * -b * -d 15090,15021,15020";
    let run = Command::new(BINARY).args(arguments.split(' ')).output();
    let run = run.unwrap();
    assert!(run.status.success(), "{run:?}");
}

/// A sidecar that is ready. It ends with the value.
pub struct Sidecar {
    child: Child,
    folder: Option<PathBuf>,
}

impl Sidecar {
    pub fn start(variables: &[(&'static str, String)]) -> Self {
        Self::spawn(Command::new(BINARY), variables, None)
    }

    /// As the user whose traffic is not captured.
    pub fn start_as_proxy(variables: &[(&'static str, String)]) -> Self {
        // Where every user may look.
        let folder = env::temp_dir().join(format!("pillion-ports-{}", process::id()));
        fs::create_dir(&folder).unwrap();
        let binary = copy(Path::new(BINARY), &folder);
        let mut command = Command::new("setpriv");
        command.args("--reuid 1337 --regid 1337 --clear-groups --".split(' '));
        command.arg(binary);
        Self::spawn(command, variables, Some(folder))
    }

    fn spawn(
        mut command: Command,
        variables: &[(&'static str, String)],
        folder: Option<PathBuf>,
    ) -> Self {
        command.args(["sidecar", "--log-format", "text"]);
        command.env("INSTANCE_IP", POD);
        command.env("PILLION_DISCOVERY", "none");
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::inherit()).stdin(Stdio::null());
        let child = command.spawn().unwrap();
        let mut sidecar = Self { child, folder };
        sidecar.until_readiness_is(200);
        sidecar
    }

    /// Waits until the readiness check gets this status.
    pub fn until_readiness_is(&mut self, status: u16) {
        let deadline = Instant::now() + PATIENCE;
        while try_ask(POD, 15021, "GET /healthz/ready", "").is_none_or(|it| it.status != status) {
            assert!(Instant::now() < deadline, "readiness is not {status}");
            assert!(self.child.try_wait().unwrap().is_none());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for its end.
    pub fn has_ended(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(folder) = &self.folder {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// An answer of a port.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\n{}", self.head, self.body)
    }
}

pub fn get(host: &str, port: u16, path: &str) -> Answer {
    ask(host, port, &format!("GET {path}"), "")
}

/// Sends a request with these fields, each with its line's end.
pub fn ask(host: &str, port: u16, line: &str, fields: &str) -> Answer {
    try_ask(host, port, line, fields).expect("an answer")
}

pub fn try_ask(host: &str, port: u16, line: &str, fields: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect((host, port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {address}\r\n{fields}Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}
