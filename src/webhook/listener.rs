//! Accepting connections, whatever fails.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::metrics::Server;

/// The first pause after a failure; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// An open port.
#[derive(Debug)]
pub(super) struct Listener {
    listener: TcpListener,
    pause: Duration,
}

impl Listener {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            pause: FIRST_PAUSE,
        }
    }

    /// Waits for a connection. A failure is not the end: most often file descriptors
    /// have run out, and come back as connections end.
    pub(super) async fn accept(&mut self, counts: &Server) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    self.pause = FIRST_PAUSE;
                    // Answers go out in one write, so there's nothing to gather for.
                    let _ = stream.set_nodelay(true);
                    // A port of both kinds sees IPv4 as a part of IPv6.
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    return (stream, peer);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    counts.accept_failed();
                    tracing::error!(
                        %error,
                        pause_seconds = self.pause.as_secs_f32(),
                        "can't accept connections; if file descriptors have run out, raise the \
                         limit (ulimit -n)"
                    );
                    sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

/// Whether only this one connection failed, before it was ours.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
