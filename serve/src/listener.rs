//! Accepts connections, and keeps accepting them after an error.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::PortMetrics;

/// The first pause after an error; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// An open port.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    pause: Duration,
}

impl Listener {
    /// Accepts from an open port.
    #[must_use]
    pub fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            pause: FIRST_PAUSE,
        }
    }

    /// Waits for a connection. After an error it pauses and tries again: most often
    /// file descriptors have run out, and are free again as connections end.
    pub async fn accept(&mut self, metrics: &PortMetrics) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    self.pause = FIRST_PAUSE;
                    // Responses go out in one write, so waiting for more gains nothing.
                    let _ = stream.set_nodelay(true);
                    // A dual-stack socket reports IPv4 addresses mapped into IPv6.
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    return (stream, peer);
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    metrics.accept_failed();
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

/// Whether only this connection failed, before it was accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
