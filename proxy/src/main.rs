//! The `pillion-proxy` binary.

use std::{
    io::{Write, stderr},
    process::ExitCode,
};

use mimalloc::MiMalloc;
use pillion_proxy::cli::Cli;

/// Gives memory back once the connections that needed it have gone; the C library's keeps it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match Cli::of_process().run() {
        Ok(code) => code,
        Err(error) => {
            // Nobody may listen any more; the exit code still tells.
            let _ = writeln!(stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
