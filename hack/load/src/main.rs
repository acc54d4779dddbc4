//! Loads for a proxy, and what came of them in one line each.
//!
//! In a closed loop each connection sends its next request once it has the answer to the last
//! one. In an open loop (`--rate`) requests are due at random times that do not depend on the
//! answers (arrivals as a Poisson process), and a response's latency counts from the
//! moment that its request was due, so that a stall counts for everyone who waits for it.
//!
//! The window of the measurement is the same for everything: requests, latencies, the
//! processor time of the processes under test, and of the machine.

mod bulk;
mod connection;
mod crowd;
mod failures;
mod handshakes;
mod http1;
mod http2;
mod idle;
mod latencies;
mod load;
mod machine;
mod measured;
mod ready;
mod requests;
mod schedule;
#[cfg(test)]
mod scripts;
mod soak;
mod stream;
mod tls;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sends requests of HTTP/1.1 over kept connections.
    Http1(http1::Args),
    /// Sends requests of HTTP/2, without TLS and by prior knowledge, in a closed loop.
    Http2(http2::Args),
    /// Reads bytes from connections to a `serve-bulk`, in MiB per second instead of requests.
    Bulk(bulk::Args),
    /// Sends bytes to whoever connects.
    ServeBulk(bulk::ServeArgs),
    /// Opens connections by TLS, each for one request, one after the other.
    Handshakes(handshakes::Args),
    /// Opens many connections, sends one request over each, and prints what memory they take of a process while they are idle.
    Idle(idle::Args),
    /// Opens many connections, sends one request over each, and closes them all.
    Crowd(crowd::Args),
    /// Starts a program, and prints after how many milliseconds it says that it is ready.
    Ready(ready::Args),
    /// Prints the resident MiB of a process, and the anonymous part.
    Memory {
        /// The process.
        process: u32,
    },
    /// Sends requests in an open loop for minutes, and judges what became of them and of the process under test.
    Soak(soak::Args),
}

fn main() -> ExitCode {
    match run(&Args::parse().command) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<String> {
    match command {
        Command::Http1(args) => http1::run(args),
        Command::Http2(args) => http2::run(args),
        Command::Bulk(args) => bulk::run(args),
        Command::ServeBulk(args) => bulk::serve(args),
        Command::Handshakes(args) => handshakes::run(args),
        Command::Idle(args) => idle::run(args),
        Command::Crowd(args) => crowd::run(args),
        Command::Ready(args) => ready::run(args),
        Command::Memory { process } => {
            let memory = machine::Memory::of(*process)?;
            Ok(format!("{:.1} {:.1}", memory.resident, memory.anonymous))
        }
        Command::Soak(args) => soak::run(args),
    }
}
