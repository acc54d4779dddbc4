//! Tests that can't run beside each other.

use tokio::sync::{Mutex, MutexGuard};

static TURN: Mutex<()> = Mutex::const_new(());

/// Waits for the other tests that take turns, and keeps them waiting: one takes all
/// of the processor's time, and others give certificates seconds to live.
pub async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}
