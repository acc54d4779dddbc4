//! As many bytes as will go through.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use anyhow::Context as _;

use crate::measured::{Done, Measuring};

const MIB: f64 = 1024.0 * 1024.0;
/// Bytes that are read or written at once.
const PIECE: usize = 256 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    measuring: Measuring,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// Where to listen.
    address: SocketAddr,
}

/// Reads from connections, a thread each.
pub(crate) fn run(args: &Args) -> anyhow::Result<String> {
    let bytes = Arc::<AtomicU64>::default();
    for _ in 0..args.measuring.connections {
        let target = args.measuring.target;
        let mut stream =
            TcpStream::connect(target).with_context(|| format!("can't reach {target}"))?;
        let bytes = Arc::clone(&bytes);
        thread::spawn(move || {
            let mut buffer = vec![0; PIECE];
            while let Ok(read) = stream.read(&mut buffer)
                && read > 0
            {
                bytes.fetch_add(read as u64, Ordering::Relaxed);
            }
        });
    }
    args.measuring.run(|length| {
        bytes.store(0, Ordering::Relaxed);
        thread::sleep(length);
        // Exact up to 8 PiB.
        #[allow(clippy::cast_precision_loss)]
        let amount = bytes.load(Ordering::Relaxed) as f64 / MIB;
        Ok(Done {
            amount,
            latencies: Vec::new(),
        })
    })
}

/// Writes to connections until they end, a thread each.
pub(crate) fn serve(args: &ServeArgs) -> anyhow::Result<String> {
    let address = args.address;
    let listener =
        TcpListener::bind(address).with_context(|| format!("can't listen at {address}"))?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        thread::spawn(move || {
            let piece = vec![b'x'; PIECE];
            while stream.write_all(&piece).is_ok() {}
        });
    }
    Ok(String::new())
}
