//! Ports for processes that are started with a number.

use std::{
    net::{Ipv4Addr, TcpListener},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// The ports that are tried: below those that the kernel gives to outgoing connections,
/// any of which could take a free port before the process that it is meant for.
const FIRST: u32 = 15_500;
const COUNT: u32 = 16_500;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Returns a port of the loopback interface that is free, and that no other call in this
/// process returns for a long time.
///
/// # Errors
///
/// Returns an error if no port is free.
pub fn free_port() -> anyhow::Result<u16> {
    // Test processes that run at the same time begin at different places.
    let start = process::id().wrapping_mul(997);
    for _ in 0..COUNT {
        let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + offset)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("none of the ports {FIRST} to {} is free", FIRST + COUNT - 1)
}
