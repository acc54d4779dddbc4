//! Servers of HTTP/2 that mean harm to the sidecar of their clients.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use http::{Request, StatusCode};
use pillion_grammar::frames::{
    END_HEADERS, PREFACE, frame,
    kind::{CONTINUATION, DATA, HEADERS, RESET, SETTINGS},
    literal,
};

use crate::{
    application,
    bounds::{BULK, PLACES},
    client::{PATIENCE, ask, connect},
    pod::{HOSTILE, MANY, POD, Pod, WORLD},
};

const FLOODED: usize = 8;
const STALLED: u64 = 40;
/// What a client may send before the server has taken any of it, in KiB.
const WINDOW: u64 = 64;

const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
/// `:status: 200` in the static table (RFC 7541, A).
const OK: &[u8] = &[0x88];

fn one(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame(&mut bytes, kind, flags, id, payload);
    bytes
}

/// Reads until the first request's head has come; without it, the client has gone.
fn first_head(stream: &mut TcpStream) -> bool {
    let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let mut frames = received.get(PREFACE.len()..).unwrap_or_default();
        while let [a, b, c, kind, rest @ ..] = frames {
            if *kind == HEADERS {
                return true;
            }
            let length = u32::from_be_bytes([0, *a, *b, *c]);
            // Flags and the stream's number come before the payload.
            let next = 5 + usize::try_from(length).unwrap();
            frames = rest.get(next..).unwrap_or_default();
        }
        match stream.read(&mut buffer) {
            Ok(count @ 1..) => received.extend_from_slice(&buffer[..count]),
            _ => return false,
        }
    }
}

/// A server that does this with each connection once it has a request.
struct Server {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Server {
    fn start(pod: &Pod, number: u16, act: impl Fn(&mut TcpStream) + Copy + Send + 'static) -> Self {
        let server = Self {
            address: SocketAddr::new(HOSTILE, number),
            accepted: Arc::default(),
            ended: Arc::default(),
        };
        let (listening, listens) = mpsc::channel();
        let (address, accepted) = (server.address, Arc::clone(&server.accepted));
        let ended = Arc::clone(&server.ended);
        drop(pod.outside.spawn(move || {
            let listener = TcpListener::bind(address).unwrap();
            listening.send(()).unwrap();
            while let Ok((mut stream, _)) = listener.accept() {
                accepted.fetch_add(1, SeqCst);
                let ended = Arc::clone(&ended);
                thread::spawn(move || {
                    if first_head(&mut stream) {
                        let _ = stream.write_all(&one(SETTINGS, 0, 0, &[]));
                        act(&mut stream);
                    }
                    ended.fetch_add(1, SeqCst);
                });
            }
        }));
        listens.recv().unwrap();
        server
    }

    /// Waits until the proxy has ended all connections that it has made.
    fn is_left(&self) {
        let deadline = Instant::now() + PATIENCE;
        let count = |counter: &AtomicUsize| counter.load(SeqCst);
        while count(&self.accepted) == 0 || count(&self.accepted) > count(&self.ended) {
            assert!(Instant::now() < deadline, "there are connections left");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// An honest server is reached, and the pod, too.
fn others_are_served(pod: &Pod) {
    let answer = pod.inside.run(|| ask(POD, WORLD, "/")).unwrap();
    assert!(answer.ends_with("served\n"), "{answer}");
    pod.serves();
}

/// A client of HTTP/2 in the pod, which reads its response to the end.
async fn get(server: SocketAddr) -> Result<StatusCode, h2::Error> {
    let stream = tokio::net::TcpStream::connect(server).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await?;
    drop(tokio::spawn(connection));
    let request = Request::get("http://a/").body(()).unwrap();
    let (response, _) = sender.send_request(request, true)?;
    let response = response.await?;
    let status = response.status();
    let mut body = response.into_body();
    while let Some(data) = body.data().await {
        let length = data?.len();
        body.flow_control().release_capacity(length)?;
    }
    Ok(status)
}

/// Sends a request, whose response has to fail.
fn fails(server: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let got = runtime.block_on(async { tokio::time::timeout(PATIENCE, get(server)).await });
    let got = got.expect("the client hears of an end");
    assert!(!got.as_ref().is_ok_and(StatusCode::is_success), "{got:?}");
}

/// Sends pieces for as long as they are taken, and reads what comes meanwhile.
fn flood(stream: &mut TcpStream, start: &[u8], piece: &[u8]) {
    let mut reader = stream.try_clone().unwrap();
    let reading = thread::spawn(move || {
        let mut buffer = [0; 64 * 1024];
        while matches!(reader.read(&mut buffer), Ok(1..)) {}
    });
    let piece = piece.repeat(100);
    let _ = stream.write_all(start);
    while stream.write_all(&piece).is_ok() {}
    reading.join().unwrap();
}

/// A flood from a server ends with its connection, and its clients are told.
fn floods(pod: &Pod, number: u16, act: fn(&mut TcpStream)) {
    let server = Server::start(pod, number, act);
    let address = server.address;
    let client = |_| pod.inside.spawn(move || fails(address));
    let clients: Vec<_> = (0..FLOODED).map(client).collect();
    while clients.iter().any(|client| !client.is_finished()) {
        others_are_served(pod);
    }
    for client in clients {
        client.join().unwrap();
    }
    server.is_left();
}

/// A pod beside an honest server.
macro_rules! beside_another {
    () => {{
        let pod = pod!(MANY);
        drop(pod.outside.spawn(|| application::serve(&[WORLD])));
        let deadline = Instant::now() + PATIENCE;
        let answers = || pod.inside.run(|| ask(POD, WORLD, "/"));
        while !answers().is_ok_and(|answer| answer.ends_with("served\n")) {
            assert!(Instant::now() < deadline, "{}", pod.log());
            thread::sleep(Duration::from_millis(20));
        }
        pod
    }};
}

#[test]
fn floods_of_frames() {
    let pod = beside_another!();
    floods(&pod, 9101, |stream| {
        flood(stream, b"", &one(SETTINGS, 0, 0, &[]));
    });
    floods(&pod, 9102, |stream| {
        flood(stream, b"", &one(PING, 0, 0, &[7; 8]));
    });
    floods(&pod, 9103, |stream| {
        flood(stream, b"", &one(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]));
    });
    floods(&pod, 9104, |stream| {
        let head = one(HEADERS, END_HEADERS, 1, OK);
        flood(stream, &head, &one(DATA, 0, 1, b""));
    });
    floods(&pod, 9105, |stream| {
        let piece = one(CONTINUATION, 0, 1, &literal(b"x", &[b'y'; 100]));
        flood(stream, &one(HEADERS, 0, 1, OK), &piece);
    });
    pod.recovers();
}

/// Servers that end what they have been asked for, over and over.
#[test]
fn floods_of_ends() {
    let pod = beside_another!();
    floods(&pod, 9111, |stream| {
        flood(stream, b"", &one(RESET, 0, 1, &8_u32.to_be_bytes()));
    });
    floods(&pod, 9112, |stream| {
        // Each time, the last stream is another one.
        let last = |id: u32| [id.to_be_bytes(), 0_u32.to_be_bytes()].concat();
        let first = one(GOAWAY, 0, 0, &last(u32::MAX >> 1));
        flood(stream, &first, &one(GOAWAY, 0, 0, &last(1)));
    });
    floods(&pod, 9113, |stream| {
        // Requests that it has not processed may be sent again, and it gets them again.
        let piece = one(RESET, 0, 1, &7_u32.to_be_bytes());
        flood(stream, b"", &piece);
    });
    floods(&pod, 9114, |stream| {
        // A promise that nobody has allowed.
        let piece = one(5, END_HEADERS, 1, &[&[0, 0, 0, 2], OK].concat());
        flood(stream, b"", &piece);
    });
    pod.recovers();
}

/// The frames of a client that sends a request, with all of its body that it may.
fn upload() -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
    ];
    let fields = fields.iter();
    let head = fields.flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes()));
    let head: Vec<u8> = head.collect();
    let mut bytes = PREFACE.to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, &[]);
    frame(&mut bytes, HEADERS, END_HEADERS, 1, &head);
    for _ in 0..3 {
        frame(&mut bytes, DATA, 0, 1, &[7; 16 * 1024]);
    }
    bytes
}

/// Many clients wait for a server that does no more than this, and leave at last.
fn stalls(number: u16, act: fn(&mut TcpStream)) {
    let pod = beside_another!();
    let server = Server::start(&pod, number, act);
    let address = server.address;
    let waiting = pod.inside.run(move || {
        let wait = |_| {
            let mut stream = connect(POD, address).unwrap();
            stream.write_all(&upload()).unwrap();
            stream
        };
        (0..STALLED).map(wait).collect::<Vec<_>>()
    });
    for _ in 0..10 {
        others_are_served(&pod);
    }
    let grown = pod.before().grown(pod.process());
    assert!(grown < PLACES + BULK + 2 * STALLED * WINDOW, "{grown} KiB");
    drop(waiting);
    let left = ["reporter=\"source\"", "response_flags=\"DC\""];
    // The connection stays, for others who ask for the server, until it has been idle.
    pod.counts("istio_requests_total", &left, STALLED);
    pod.recovers_from_stalls();
}

#[test]
fn servers_that_read_nothing() {
    stalls(9121, |stream| {
        let _ = stream.set_read_timeout(Some(PATIENCE));
        // It looks whether there is more, and leaves it.
        while !matches!(stream.peek(&mut [0]), Ok(0) | Err(_)) {
            thread::sleep(Duration::from_millis(20));
            if stream.write_all(&one(PING, 1, 0, &[7; 8])).is_err() {
                return;
            }
        }
    });
}

#[test]
fn servers_that_never_answer() {
    stalls(9122, |stream| {
        let mut buffer = [0; 64 * 1024];
        while matches!(stream.read(&mut buffer), Ok(1..)) {}
    });
}
