//! Network namespaces, each with a thread that lives in it.

use std::{
    env, fs,
    fs::File,
    ops::Range,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// The ports that the system gives to whoever asks for any, such as a proxy for its connections to servers. Clients
/// have those below.
pub const SYSTEM_PORTS: Range<u16> = 55_000..65_535;

/// A network namespace. It ends with the value, and with it what runs there.
pub struct Place {
    name: String,
    folder: PathBuf,
    handle: Handle,
    stop: CancellationToken,
}

impl Place {
    /// Makes a namespace whose loopback interface is up.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pillion-scenarios-{}-{next}", process::id());
        let folder = env::temp_dir().join(&name);
        fs::create_dir(&folder).unwrap();
        let made = Command::new("ip").args(["netns", "add", &name]).status();
        assert!(made.unwrap().success(), "can't make a network namespace");
        let stop = CancellationToken::new();
        let handle = live_in(&name, stop.clone());
        let place = Self {
            name,
            folder,
            handle,
            stop,
        };
        place.sh("ip link set lo up");
        let Range { start, end } = SYSTEM_PORTS;
        place.sh(&format!(
            "echo {start} {end} > /proc/sys/net/ipv4/ip_local_port_range"
        ));
        place
    }

    /// The namespace's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A folder for what runs there.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where tasks of this namespace run: their sockets are the namespace's.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs a task there, and waits for it.
    pub async fn run<F>(&self, task: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(task).await.unwrap()
    }

    /// A program there.
    pub fn command(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]);
        command
    }

    /// Runs a script there that has to succeed.
    pub fn sh(&self, script: &str) {
        let output = self.command().args(["sh", "-ec", script]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {text}");
    }
}

/// Starts a thread that lives in a namespace and runs tasks there.
fn live_in(name: &str, stop: CancellationToken) -> Handle {
    let namespace = File::open(Path::new("/run/netns").join(name)).unwrap();
    let (sender, handle) = mpsc::channel();
    thread::spawn(move || {
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(namespace.as_fd(), network).unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        sender.send(runtime.handle().clone()).unwrap();
        runtime.block_on(stop.cancelled());
    });
    handle.recv().unwrap()
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stop.cancel();
        let script = format!("ip netns pids {} | xargs -r kill -9", self.name);
        let _ = Command::new("sh").args(["-c", &script]).status();
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
