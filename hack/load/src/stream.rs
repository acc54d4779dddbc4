//! Bytes over TCP, perhaps within TLS.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use anyhow::Context as _;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned, pki_types::ServerName};

/// Whom a server is asked as by TLS. It has one certificate for all.
const NAME: &str = "web-0.bench.svc.cluster.local";

/// Where to connect to, and how.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub address: SocketAddr,
    /// TLS, if it is spoken.
    pub tls: Option<Arc<ClientConfig>>,
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }
}

/// A connection.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Opens it, and waits until the handshake is over.
    pub fn open(target: &Target) -> anyhow::Result<Self> {
        let address = target.address;
        let mut socket =
            TcpStream::connect(address).with_context(|| format!("can't reach {address}"))?;
        socket.set_nodelay(true)?;
        let Some(config) = &target.tls else {
            return Ok(Self::Plain(socket));
        };
        let mut session = ClientConnection::new(Arc::clone(config), ServerName::try_from(NAME)?)?;
        while session.is_handshaking() {
            session
                .complete_io(&mut socket)
                .context("no TLS handshake")?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(session, socket))))
    }

    /// What is below TLS.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// Whether the handshake was a short one.
    pub fn is_resumed(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.conn.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
