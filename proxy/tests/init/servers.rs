//! Servers that say which port was reached.

use std::{
    io::Read as _,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::namespace::{Namespace, python};

impl Namespace {
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
        let mut command = self.command();
        command.args([
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
