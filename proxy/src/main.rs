//! The `pillion-proxy` binary.

use std::{
    io::{Write, stderr},
    process::ExitCode,
};

use pillion_proxy::cli::Cli;

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
