//! Time that stands still while sockets are waited for: otherwise, paused time would go on to the next timer.

use std::sync::mpsc;

use tokio::task::spawn_blocking;

/// Until it is dropped, paused time stays where it is.
#[derive(Debug)]
pub(super) struct Still {
    _release: mpsc::Sender<()>,
}

/// Stops it. Tokio lets no paused time pass while anything runs on a thread for blocking tasks.
pub(super) fn stop_time() -> Still {
    let (release, released) = mpsc::channel();
    // It ends with an error once the other end is dropped.
    drop(spawn_blocking(move || released.recv()));
    Still { _release: release }
}
