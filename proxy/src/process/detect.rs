//! Finds out what a connection speaks.

use std::{future::poll_fn, io, task::Poll, time::Duration};

use tokio::{io::AsyncRead, net::TcpStream, time::timeout};

use crate::{
    bounds::{HEAD_TIME, IDLE},
    net::{input::Input, stream::Stream},
    sniff::{Protocol, sniff, sniff_tls},
    tables::Detection,
};

/// The type of the first record of TLS (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;
/// Ports of protocols whose servers speak first (SMTP, DNS, MySQL, MongoDB): Istio does not
/// wait for the client there.
const SERVER_FIRST: [u16; 4] = [25, 53, 3306, 27017];
/// How long is waited for TLS on these ports, where that is told from everything else: the mesh's clients
/// begin at once, and all others wait for the server.
const SHORT: Duration = Duration::from_secs(1);

/// Says what first bytes are; `None` if more are needed.
type Sniff = fn(&[u8]) -> Option<Protocol>;

/// What the connection speaks, and what has been received meanwhile. `has_tls` says whether TLS is told
/// from everything else, whatever is declared.
///
/// # Errors
///
/// When the connection breaks, or its client is silent for an hour.
pub(super) async fn detect(
    stream: &mut TcpStream,
    port: u16,
    (detection, has_tls): (Detection, bool),
) -> io::Result<(Protocol, Input)> {
    let mut input = Input::default();
    let protocol = match detection {
        Detection::Tcp => Protocol::Tcp,
        Detection::Sniff(_) if SERVER_FIRST.contains(&port) && !has_tls => Protocol::Tcp,
        Detection::Sniff(limit) => {
            let patience = patience(limit, port);
            detect_within(patience, stream, &mut input, (sniff, has_tls)).await?
        }
        Detection::Tls(limit) => {
            let patience = patience(limit, port);
            detect_within(patience, stream, &mut input, (sniff_tls, true)).await?
        }
        Detection::Http => match declared_http(stream, &mut input).await? {
            tls @ (Protocol::Tls { .. } | Protocol::OldTls) if has_tls => tls,
            Protocol::Http2 => Protocol::Http2,
            // What is not HTTP gets an answer that says so.
            _ => Protocol::Http1,
        },
    };
    Ok((protocol, input))
}

/// How long a client may say nothing at a port before it speaks TCP.
fn patience(limit: Duration, port: u16) -> Duration {
    let limit = if limit.is_zero() { IDLE } else { limit };
    match SERVER_FIRST.contains(&port) {
        true => limit.min(SHORT),
        false => limit,
    }
}

/// What the client says within a time. What it has not told by then is TCP, but for the beginning of a hello
/// of TLS where that is told from everything else: the rest is waited for.
async fn detect_within(
    patience: Duration,
    stream: &mut TcpStream,
    input: &mut Input,
    (sniff, has_tls): (Sniff, bool),
) -> io::Result<Protocol> {
    if let Ok(protocol) = timeout(patience, first_bytes(stream, input, sniff)).await {
        return protocol;
    }
    match has_tls && input.bytes().first() == Some(&HANDSHAKE) {
        true => timeout(HEAD_TIME, first_bytes(stream, input, sniff)).await?,
        false => Ok(Protocol::Tcp),
    }
}

/// Whether requests on a connection whose handshake is done are of HTTP/2, and what has been received
/// meanwhile. What is not HTTP gets an answer that says so.
///
/// # Errors
///
/// When the connection breaks, or its client is silent for an hour.
pub(super) async fn is_http2(stream: &mut Stream) -> io::Result<(bool, Input)> {
    let mut input = Input::default();
    let first = poll_fn(|context| input.poll_receive(stream, context));
    if timeout(IDLE, first).await?? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let protocol = timeout(HEAD_TIME, first_bytes(stream, &mut input, sniff)).await;
    let protocol = protocol.unwrap_or(Ok(Protocol::Http1))?;
    Ok((protocol == Protocol::Http2, input))
}

async fn declared_http(stream: &mut TcpStream, input: &mut Input) -> io::Result<Protocol> {
    let silent = timeout(IDLE, stream.peek(&mut [0])).await;
    silent??;
    let protocol = timeout(HEAD_TIME, first_bytes(stream, input, sniff)).await;
    protocol.unwrap_or(Ok(Protocol::Http1))
}

async fn first_bytes<R: AsyncRead + Unpin>(
    stream: &mut R,
    input: &mut Input,
    sniff: Sniff,
) -> io::Result<Protocol> {
    poll_fn(|context| {
        loop {
            if let Some(protocol) = sniff(input.bytes()) {
                return Poll::Ready(Ok(protocol));
            }
            match input.poll_receive(stream, context) {
                Poll::Pending => return Poll::Pending,
                // A client that has ended may still listen.
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(Protocol::Tcp)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    const LIMIT: Detection = Detection::Sniff(Duration::from_secs(5));

    /// A connection whose client has sent that.
    async fn accepted(sent: &[u8]) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        client.write_all(sent).await.unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    async fn detected(sent: &[u8], port: u16, detection: Detection) -> (Protocol, Vec<u8>) {
        let (_client, mut stream) = accepted(sent).await;
        let (protocol, input) = detect(&mut stream, port, (detection, false)).await.unwrap();
        (protocol, input.bytes().to_vec())
    }

    #[tokio::test]
    async fn what_was_received_is_kept() {
        let (protocol, input) = detected(b"GET / HTTP/1.1\r\n", 80, LIMIT).await;
        assert_eq!(
            (protocol, &input[..]),
            (Protocol::Http1, &b"GET / HTTP/1.1\r\n"[..])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_speaks_tcp_after_a_while() {
        assert_eq!(detected(b"", 80, LIMIT).await.0, Protocol::Tcp);
        assert_eq!(
            detected(b"GET", 80, LIMIT).await,
            (Protocol::Tcp, b"GET".to_vec())
        );
    }

    #[tokio::test]
    async fn nobody_waits_where_the_server_speaks_first() {
        let for_ever = Detection::Sniff(Duration::ZERO);
        assert_eq!(detected(b"", 3306, for_ever).await.0, Protocol::Tcp);
        assert_eq!(detected(b"", 80, Detection::Tcp).await.0, Protocol::Tcp);
    }

    #[tokio::test(start_paused = true)]
    async fn no_client_is_waited_for_without_end() {
        let (_client, mut silent) = accepted(b"").await;
        assert!(
            detect(&mut silent, 80, (Detection::Http, false))
                .await
                .is_err()
        );
        assert_eq!(
            detected(b"GET", 80, Detection::Http).await,
            (Protocol::Http1, b"GET".to_vec())
        );
        let for_ever = Detection::Sniff(Duration::ZERO);
        assert_eq!(detected(b"GET", 80, for_ever).await.0, Protocol::Tcp);
    }

    #[tokio::test(start_paused = true)]
    async fn the_beginning_of_a_hello_never_becomes_tcp() {
        let limit = Duration::from_secs(5);
        for detection in [Detection::Sniff(limit), Detection::Tls(limit)] {
            let (_client, mut stream) = accepted(&[22, 3, 1]).await;
            let detected = detect(&mut stream, 80, (detection, true)).await;
            assert!(detected.is_err(), "{detected:?}");
        }
        // Where TLS is not told from everything else, it may be anything.
        let (protocol, _) = detected(&[22, 3, 1], 80, Detection::Sniff(limit)).await;
        assert_eq!(protocol, Protocol::Tcp);
    }

    #[tokio::test(start_paused = true)]
    async fn tls_is_waited_for_a_moment_where_the_server_speaks_first() {
        let (_client, mut stream) = accepted(b"").await;
        let began = tokio::time::Instant::now();
        let how = (Detection::Tls(Duration::ZERO), true);
        let (protocol, _) = detect(&mut stream, 3306, how).await.unwrap();
        assert_eq!((protocol, began.elapsed().as_secs()), (Protocol::Tcp, 1));
    }

    #[tokio::test]
    async fn a_declared_http_port_never_becomes_tcp() {
        let (protocol, _) = detected(b"SSH-2.0\r\n", 80, Detection::Http).await;
        assert_eq!(protocol, Protocol::Http1);
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let (protocol, _) = detected(preface, 80, Detection::Http).await;
        assert_eq!(protocol, Protocol::Http2);
    }
}
