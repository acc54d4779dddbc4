//! Servers that mean harm to the sidecar of their client.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    time::Duration,
};

use crate::{
    client::{PATIENCE, ask, connect},
    pod::{HOSTILE, MANY, POD, Pod},
};

const CLIENTS: u64 = 40;

/// Starts a server that does this with each connection once it has a request; it says when
/// the connection has ended.
fn serve(pod: &Pod, number: u16, act: fn(&mut TcpStream)) -> (SocketAddr, mpsc::Receiver<()>) {
    let address = SocketAddr::new(HOSTILE, number);
    let (listening, listens) = mpsc::channel();
    let (ended, ends) = mpsc::channel();
    drop(pod.outside.spawn(move || {
        let listener = TcpListener::bind(address).unwrap();
        listening.send(()).unwrap();
        while let Ok((mut stream, _)) = listener.accept() {
            let ended = ended.clone();
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                act(&mut stream);
                // Nobody may be interested any more.
                let _ = ended.send(());
            });
        }
    }));
    listens.recv().unwrap();
    (address, ends)
}

/// Clients of the server, in the pod; each leaves once it has seen the beginning.
fn visit(pod: &Pod, server: SocketAddr, ends: &mpsc::Receiver<()>) {
    let visiting = pod.inside.run(move || {
        let visit = |_| {
            let mut stream = connect(POD, server).unwrap();
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                .unwrap();
            stream
        };
        (0..CLIENTS).map(visit).collect::<Vec<_>>()
    });
    pod.serves();
    drop(visiting);
    for _ in 0..CLIENTS {
        ends.recv_timeout(PATIENCE)
            .expect("the server's connection ends");
    }
    let left = ["reporter=\"source\"", "response_flags=\"DC\""];
    pod.counts("istio_requests_total", &left, CLIENTS);
}

/// Goes on as long as it is let.
fn crawl(stream: &mut TcpStream, piece: &[u8]) {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
    while stream.write_all(piece).is_ok() {
        match stream.read(&mut [0]) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

#[test]
fn heads_byte_by_byte_end_with_their_clients() {
    let pod = pod!(MANY);
    let (server, ends) = serve(&pod, 9001, |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ");
        crawl(stream, b"a");
    });
    visit(&pod, server, &ends);
    pod.recovers();
}

#[test]
fn bodies_byte_by_byte_end_with_their_clients() {
    let pod = pod!(MANY);
    let (server, ends) = serve(&pod, 9002, |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        crawl(stream, b"1\r\na\r\n");
    });
    visit(&pod, server, &ends);
    pod.recovers();
}

#[test]
fn servers_that_read_nothing_end_with_their_clients() {
    let pod = pod!(MANY);
    let (server, ends) = serve(&pod, 9003, |stream| {
        let _ = stream.set_read_timeout(Some(PATIENCE));
        while !matches!(stream.peek(&mut [0]), Ok(0) | Err(_)) {
            std::thread::sleep(Duration::from_millis(20));
            if stream.take_error().is_ok_and(|error| error.is_some()) {
                break;
            }
            // What it was sent stays unread until there is nothing more to come.
            let _ = stream.read(&mut [0; 16]);
        }
    });
    visit(&pod, server, &ends);
    pod.recovers();
}

/// Each answer is refused, and the clients are told so.
fn refuses(number: u16, act: fn(&mut TcpStream)) {
    let pod = pod!(MANY);
    let (server, _ends) = serve(&pod, number, act);
    for _ in 0..CLIENTS {
        let answer = pod.inside.run(move || ask(POD, server, "/")).unwrap();
        assert!(answer.contains("HTTP/1.1 502 "), "{answer}");
    }
    pod.serves();
    let refused = ["reporter=\"source\"", "response_flags=\"UPE\""];
    pod.counts("istio_requests_total", &refused, CLIENTS);
    pod.recovers();
}

/// Sends it as often as it is taken.
fn repeat(stream: &mut TcpStream, start: &[u8], piece: &[u8]) {
    let _ = stream.write_all(start);
    while stream.write_all(piece).is_ok() {}
}

#[test]
fn endless_heads_are_refused() {
    refuses(9004, |stream| {
        let start = b"HTTP/1.1 200 OK\r\n";
        repeat(
            stream,
            start,
            &[b"x: ", &[b'y'; 2000][..], b"\r\n"].concat(),
        );
    });
}

#[test]
fn endless_interim_responses_are_refused() {
    refuses(9005, |stream| {
        repeat(stream, b"", b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n");
    });
}

#[test]
fn garbage_is_refused() {
    refuses(9006, |stream| repeat(stream, b"", &[0; 1000]));
}
