//! Clients: bytes go out as they are written, and what comes back is read to its end.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::Range,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::place::SYSTEM_PORTS;

/// Generous: nothing is measured.
const PATIENCE: Duration = Duration::from_secs(30);
/// The ports of clients, in turn: more than the clients of a proxy, in whose access log each is found by its port. A port
/// that the system gives to others would fail a client.
const PORTS: Range<u16> = 20_000..SYSTEM_PORTS.start;
/// How many clients there were.
static CLIENTS: AtomicU32 = AtomicU32::new(0);

/// What came back.
#[derive(Debug, Default)]
pub struct Bytes {
    /// The client's port.
    pub client: Option<u16>,
    pub bytes: Vec<u8>,
    /// Why there are no more, unless the server has closed the connection in good order.
    pub broken: Option<String>,
}

/// Connects, sends bytes, and reads until the server closes.
pub async fn exchange(to: SocketAddr, source: Option<IpAddr>, bytes: Vec<u8>) -> Bytes {
    let mut got = Bytes::default();
    let outcome = timeout(PATIENCE, attempt(to, source, &bytes, &mut got)).await;
    got.broken = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("{:?}", error.kind())),
        Err(_) => Some("no end".to_owned()),
    };
    got
}

async fn attempt(
    to: SocketAddr,
    source: Option<IpAddr>,
    bytes: &[u8],
    got: &mut Bytes,
) -> io::Result<()> {
    let (port, stream) = connect(to, source).await;
    // A proxy may reset a connection before this has seen that it is established.
    got.client = Some(port);
    let mut stream = stream?;
    stream.write_all(bytes).await?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => got.bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Connects from a port of its own, by which the access logs have it.
pub async fn connect(to: SocketAddr, source: Option<IpAddr>) -> (u16, io::Result<TcpStream>) {
    let port = port_of(CLIENTS.fetch_add(1, Ordering::Relaxed));
    (port, connect_from(to, source, port).await)
}

/// The port of a client, by how many there were before. By the time that all have had their turn, the first one's
/// connection is long over.
fn port_of(client: u32) -> u16 {
    let turn = client % u32::from(PORTS.end - PORTS.start);
    PORTS.start + u16::try_from(turn).unwrap()
}

async fn connect_from(to: SocketAddr, source: Option<IpAddr>, port: u16) -> io::Result<TcpStream> {
    let (socket, any) = match to {
        SocketAddr::V4(_) => (TcpSocket::new_v4()?, Ipv4Addr::UNSPECIFIED.into()),
        SocketAddr::V6(_) => (TcpSocket::new_v6()?, Ipv6Addr::UNSPECIFIED.into()),
    };
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::new(source.unwrap_or(any), port))?;
    socket.connect(to).await
}

/// A response.
#[derive(Debug, Default)]
pub struct Response {
    pub status: u16,
    /// The headers in their order, the names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Reads a response to its end, without interim ones; `None` if there is none.
pub fn response(bytes: &[u8]) -> Option<Response> {
    if let Some(rest) = bytes.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n") {
        return response(rest);
    }
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let rest = &bytes[end + 4..];
    let is_chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    Some(Response {
        status,
        body: if is_chunked {
            joined(rest)
        } else {
            rest.to_vec()
        },
        headers,
    })
}

/// The body in these chunks.
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = chunks.windows(2).position(|part| part == b"\r\n") {
        let size = String::from_utf8_lossy(&chunks[..end]).into_owned();
        let size = usize::from_str_radix(size.split(';').next().unwrap_or("").trim(), 16);
        let (Ok(size), start) = (size, end + 2) else {
            break;
        };
        if size == 0 || chunks.len() < start + size + 2 {
            break;
        }
        body.extend_from_slice(&chunks[start..start + size]);
        chunks = &chunks[start + size + 2..];
    }
    body
}

/// The body of a page of a proxy's admin port.
pub async fn admin(page: &'static str) -> Option<Vec<u8>> {
    let text = format!("GET {page} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let got = exchange(([127, 0, 0, 1], 15000).into(), None, text.into_bytes()).await;
    let response = response(&got.bytes)?;
    (response.status == 200).then_some(response.body)
}

#[test]
fn clients_never_have_the_systems_ports() {
    for (client, port) in [(0, 20_000), (34_999, 54_999), (35_000, 20_000)] {
        assert_eq!(port_of(client), port);
    }
    assert!(PORTS.contains(&port_of(u32::MAX)));
}
