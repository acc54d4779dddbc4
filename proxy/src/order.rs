//! What other containers of the pod ask of the sidecar: `drain` and `wait`, which the
//! injected container's lifecycle hooks run.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::ExitCode,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

/// For each attempt.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A response's head, and more of its body than is shown.
const MAX_RESPONSE: u64 = 16 * 1024;

/// Arguments of `pillion-proxy drain`.
#[derive(Debug, clap::Args)]
pub(crate) struct DrainArgs {
    /// The sidecar's status port.
    #[arg(long, default_value_t = 15020, value_name = "PORT")]
    status_port: u16,
}

/// Arguments of `pillion-proxy wait`.
#[derive(Debug, clap::Args)]
pub(crate) struct WaitArgs {
    /// Where the sidecar says whether it is ready.
    #[arg(long, default_value_t = 15021, value_name = "PORT")]
    health_port: u16,
    /// How long to wait at most.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout_seconds: u64,
    /// The pause between two attempts.
    #[arg(long, default_value_t = 500, value_name = "MILLISECONDS")]
    period_millis: u64,
}

/// Asks the sidecar to drain.
pub(crate) fn drain(args: &DrainArgs) -> anyhow::Result<ExitCode> {
    let port = args.status_port;
    let (status, text) = request(port, "POST /drain")
        .with_context(|| format!("the sidecar's status port {port} can't be asked"))?;
    if status != 200 {
        bail!("the sidecar answered {status}: {text}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits until the sidecar is ready.
pub(crate) fn wait(args: &WaitArgs) -> anyhow::Result<ExitCode> {
    let seconds = args.timeout_seconds;
    let until = Instant::now() + Duration::from_secs(seconds);
    loop {
        let last = match request(args.health_port, "GET /healthz/ready") {
            Ok((200, _)) => return Ok(ExitCode::SUCCESS),
            Ok((_, text)) => text,
            Err(error) => error.to_string(),
        };
        if Instant::now() >= until {
            bail!(
                "the sidecar is not ready after {seconds} s: {}",
                last.trim()
            );
        }
        sleep(Duration::from_millis(args.period_millis));
    }
}

/// Sends a request without a body to a port of this pod; returns the status and the body.
fn request(port: u16, line: &str) -> io::Result<(u16, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let head = format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut response = Vec::new();
    stream.take(MAX_RESPONSE).read_to_end(&mut response)?;
    parse(&String::from_utf8_lossy(&response))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the response is not HTTP/1.1"))
}

fn parse(response: &str) -> Option<(u16, String)> {
    let status = response.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let (_, body) = response.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_response() {
        let response = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nno\n";
        assert_eq!(parse(response), Some((503, "no\n".to_owned())));
        for other in ["", "HTTP/1.1 20", "SSH-2.0\r\n\r\n", "HTTP/1.1 200 OK\r\n"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
