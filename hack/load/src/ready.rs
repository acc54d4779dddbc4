//! How long a program takes until it is ready.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

/// Between two questions.
const PAUSE: Duration = Duration::from_micros(500);
/// A program that takes longer does not start.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The port that is asked, at the loopback address.
    #[arg(long)]
    port: u16,
    /// The path that answers with 200 once the program is ready.
    #[arg(long)]
    path: String,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Starts and ends it.
pub(crate) fn run(args: &Args) -> anyhow::Result<String> {
    let (program, rest) = args.command.split_first().context("no program")?;
    let mut command = Command::new(program);
    command
        .args(rest)
        .stdout(Stdio::null())
        .stdin(Stdio::null());
    let began = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("can't start {program}"))?;
    let took = wait(args, &mut child, began);
    let _ = child.kill();
    let _ = child.wait();
    Ok(format!("{:.1}", took?.as_secs_f64() * 1e3))
}

fn wait(args: &Args, child: &mut Child, began: Instant) -> anyhow::Result<Duration> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    while began.elapsed() < PATIENCE {
        if says_yes(address, &args.path).unwrap_or(false) {
            return Ok(began.elapsed());
        }
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("it has ended: {status}");
        }
        thread::sleep(PAUSE);
    }
    anyhow::bail!("it is not ready after {} s", PATIENCE.as_secs())
}

fn says_yes(address: SocketAddr, path: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(&status == b"HTTP/1.1 200")
}
