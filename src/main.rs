//! The `pillion` binary.

use std::{
    io::{Write, stderr},
    process::ExitCode,
    thread::available_parallelism,
};

use mimalloc::MiMalloc;
use tokio::runtime;

/// An injection allocates and frees thousands of small strings; with the system's
/// allocator that takes two fifths of a review's time (docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Far more than the busiest cluster needs. On a large node without a CPU
/// limit, a thread for each core would only cost memory.
const MAX_THREADS: usize = 4;

fn main() -> ExitCode {
    pillion_certs::install_provider();
    let cli = pillion::cli::Cli::from_process();
    let threads = available_parallelism().map_or(1, |cores| cores.get().min(MAX_THREADS));
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(cli.run()),
        Err(error) => Err(anyhow::anyhow!("cannot start threads: {error}")),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Standard error may be closed; the exit code still reports the failure.
            let _ = writeln!(stderr(), "error: {}", pillion::error_chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
