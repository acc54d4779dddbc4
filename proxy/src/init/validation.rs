//! The proof that capture works: a connection that the rules have to redirect.
//!
//! It is what the proxy's user calls at 127.0.0.6 (or ::6), as `istio-validation` does: the
//! rules take it to the inbound port, and the accepted socket knows where it was going.

use std::{
    env, fs,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, SockRef, Socket, Type};
use thiserror::Error;

use super::{
    capture::passthrough_address,
    plan::Plan,
    rules::Family,
    values::{Id, Port},
};

/// The exit code when the proof fails. It is Istio's.
pub const EXIT_CODE: u8 = 126;

/// How long to wait before the next attempt.
const PAUSE: Duration = Duration::from_millis(20);

/// Why there is no proof that the rules work.
#[derive(Debug, Error)]
pub enum Unproven {
    /// The connection didn't come to the proxy's ports: capture doesn't work.
    #[error(
        "no connection to {target} came to the proxy's ports {}, {} within {timeout:?}{last}",
        ports.0, ports.1
    )]
    NotCaptured {
        /// Where the connection went.
        target: SocketAddr,
        /// Where it should have arrived.
        ports: (Port, Port),
        /// How long it was tried.
        timeout: Duration,
        /// What the last attempt came to.
        last: String,
    },
    /// The process of the proxy's user found that capture doesn't work.
    #[error("a process of user {0} has found so (see above)")]
    FoundByChild(Id),
    /// The proxy is there already, and the proof would need its ports.
    #[error("{0} is in use, so the proxy runs already")]
    InUse(SocketAddr),
    /// The proof doesn't work with these settings.
    #[error("these settings let connections to {0} pass")]
    Excluded(SocketAddr),
    /// Only the proxy's user can be captured like this.
    #[error(
        "init runs as user {own} and may not start a process of the proxy's user {proxy} (it would need SETUID and SETGID): {source}"
    )]
    NotTheProxy {
        /// Who init runs as.
        own: Id,
        /// Who it would have to be.
        proxy: Id,
        /// What the kernel said.
        source: io::Error,
    },
    /// The attempt itself failed.
    #[error("{what}: {source}")]
    Attempt {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl Unproven {
    /// Whether this says that capture doesn't work; otherwise nothing is known.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self {
            Self::NotCaptured { .. } | Self::FoundByChild(_) | Self::Attempt { .. } => true,
            Self::InUse(_) | Self::Excluded(_) | Self::NotTheProxy { .. } => false,
        }
    }
}

fn attempt(what: &'static str) -> impl Fn(io::Error) -> Unproven {
    move |source| Unproven::Attempt { what, source }
}

/// Proves that the rules for these families work.
///
/// # Errors
///
/// When they don't, or when that can't be found out.
pub fn validate(plan: &Plan, families: &[Family]) -> Result<(), Unproven> {
    for family in families {
        if !plan.capture.captures_probe(*family, plan.probe_port) {
            return Err(Unproven::Excluded(target(plan, *family)));
        }
    }
    let own = effective_user().map_err(attempt("/proc/self/status can't be read"))?;
    let uids = &plan.capture.proxy_uids;
    match uids.first() {
        Some(proxy) if !uids.contains(&own) => as_the_proxy(plan, own, *proxy),
        _ => families.iter().try_for_each(|family| probe(plan, *family)),
    }
}

fn target(plan: &Plan, family: Family) -> SocketAddr {
    SocketAddr::new(passthrough_address(family), plan.probe_port.0)
}

/// Starts this program again, as the proxy's user.
fn as_the_proxy(plan: &Plan, own: Id, proxy: Id) -> Result<(), Unproven> {
    let program = env::current_exe().map_err(attempt("this program can't be found"))?;
    let group = plan.capture.proxy_gids.first().unwrap_or(&proxy);
    let value = |flag: &str, value: &dyn std::fmt::Display| format!("{flag}={value}");
    let mut command = Command::new(program);
    command
        .args(["init", "--skip-rule-apply", "--run-validation"])
        .args([
            value("--envoy-port", &plan.capture.proxy_port),
            value("--inbound-capture-port", &plan.capture.inbound_capture_port),
            value("--inbound-tunnel-port", &plan.capture.inbound_tunnel_port),
            value("--proxy-uid", &proxy),
            value("--iptables-probe-port", &plan.probe_port),
            format!("--probe-timeout={}ms", plan.probe_timeout.as_millis()),
            value("--dual-stack", &plan.dual_stack),
        ]);
    command
        .env_clear()
        .stdin(Stdio::null())
        .uid(proxy.0)
        .gid(group.0);
    let output = command
        .output()
        .map_err(|source| Unproven::NotTheProxy { own, proxy, source })?;
    if output.status.success() {
        return Ok(());
    }
    // Nobody may listen; the exit code still tells.
    let _ = io::stderr().write_all(&output.stderr);
    Err(Unproven::FoundByChild(proxy))
}

/// The user whom the kernel takes the sockets of this process for.
fn effective_user() -> io::Result<Id> {
    let status = fs::read_to_string("/proc/self/status")?;
    let mut lines = status.lines();
    let uids = lines.find_map(|line| line.strip_prefix("Uid:"));
    let effective = uids.and_then(|uids| uids.split_whitespace().nth(1)?.parse().ok());
    effective.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn probe(plan: &Plan, family: Family) -> Result<(), Unproven> {
    let loopback = match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Family::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    let ports = (plan.capture.proxy_port, plan.capture.inbound_capture_port);
    let listeners = [listen(loopback, ports.0)?, listen(loopback, ports.1)?];
    let target = target(plan, family);
    let deadline = Instant::now() + plan.probe_timeout;
    let mut last = String::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Unproven::NotCaptured {
                target,
                ports,
                timeout: plan.probe_timeout,
                last,
            });
        }
        match connect(loopback, target, left) {
            Ok(connection) => {
                if listeners.iter().any(|listener| arrived(listener, target)) {
                    return Ok(());
                }
                drop(connection);
                "; it was accepted by something else".clone_into(&mut last);
            }
            Err(error) => last = format!("; the last attempt: {error}"),
        }
        thread::sleep(PAUSE.min(left));
    }
}

fn listen(address: IpAddr, port: Port) -> Result<TcpListener, Unproven> {
    let address = SocketAddr::new(address, port.0);
    let listener = TcpListener::bind(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => Unproven::InUse(address),
        _ => attempt("the proxy's ports can't be listened on")(source),
    })?;
    let set = listener.set_nonblocking(true);
    set.map_err(attempt("the proxy's ports can't be listened on"))?;
    Ok(listener)
}

/// Connects from the loopback address. From `::6`, which Linux takes to connect to itself,
/// the connection would be one of the proxy to the application, and pass.
fn connect(from: IpAddr, to: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.connect_timeout(&to.into(), timeout.min(Duration::from_secs(1)))?;
    Ok(socket.into())
}

/// Whether a connection to the target was accepted here.
fn arrived(listener: &TcpListener, target: SocketAddr) -> bool {
    // Whoever else connects is answered by the end of it.
    while let Ok((accepted, _)) = listener.accept() {
        let socket = SockRef::from(&accepted);
        let original = match target {
            SocketAddr::V4(_) => socket.original_dst_v4(),
            SocketAddr::V6(_) => socket.original_dst_v6(),
        };
        if original.is_ok_and(|original| original.as_socket() == Some(target)) {
            return true;
        }
    }
    false
}
