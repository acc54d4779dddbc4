//! How clients begin TLS: a server that listens, and says nothing.

use std::sync::{Arc, Mutex};

use rustls::server::Acceptor;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;

/// What a client's first message says.
#[derive(Debug)]
pub struct Hello {
    /// The name of the server that it wants.
    pub sni: String,
    /// The protocols that it offers, with commas.
    pub alpn: String,
}

/// The last of them, if any.
#[derive(Debug, Clone, Default)]
pub struct Hellos(Arc<Mutex<Option<Hello>>>);

impl Hellos {
    /// Listens until it is dropped.
    pub async fn listen(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(self.clone().hear(stream));
        }
    }

    async fn hear(self, stream: TcpStream) {
        let heard = LazyConfigAcceptor::new(Acceptor::default(), stream).await;
        let Ok(handshake) = heard else { return };
        let hello = handshake.client_hello();
        let protocols = hello.alpn().into_iter().flatten();
        let protocols = protocols.map(|name| String::from_utf8_lossy(name).into_owned());
        let hello = Hello {
            sni: hello.server_name().unwrap_or_default().to_owned(),
            alpn: protocols.collect::<Vec<_>>().join(","),
        };
        *self.0.lock().unwrap() = Some(hello);
    }

    pub fn take(&self) -> Option<Hello> {
        self.0.lock().unwrap().take()
    }
}
