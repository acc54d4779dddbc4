//! Clients that speak raw bytes.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};

/// Generous: nothing is measured.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Connects from an address.
pub fn connect(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// How a connection has ended, and what has come before.
#[derive(Debug)]
pub struct Ended {
    pub received: Vec<u8>,
}

impl Ended {
    /// What has come, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }
}

/// Reads up to the end, in order or not. It fails where there is no end.
pub fn read_to_end(stream: &mut TcpStream) -> Ended {
    let mut received = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ended { received },
            Ok(count) => received.extend_from_slice(&buffer[..count]),
            Err(error) if is_waiting(&error) => {
                panic!(
                    "the connection does not end: {:?}",
                    String::from_utf8_lossy(&received)
                )
            }
            Err(_) => return Ended { received },
        }
    }
}

fn is_waiting(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// Sends a request whose response ends the connection, and returns the response.
pub fn ask(from: IpAddr, to: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = connect(from, to)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    Ok(read_to_end(&mut stream).text())
}

/// Sends pieces until the connection ends, and returns what has come meanwhile. `next` makes
/// the pieces; it fails where more than so many bytes are taken.
pub fn flood(mut stream: TcpStream, mut next: impl FnMut() -> Vec<u8>, most: usize) -> Ended {
    let mut reader = stream.try_clone().unwrap();
    let reading = thread::spawn(move || {
        let mut received = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            // The beginning says enough.
            if received.len() < 1 << 20 {
                received.extend_from_slice(&buffer[..count]);
            }
        }
        received
    });
    let mut sent = 0;
    while sent < most {
        let piece = next();
        if stream.write_all(&piece).is_err() {
            let received = reading.join().unwrap();
            return Ended { received };
        }
        sent += piece.len();
    }
    panic!("{sent} bytes are taken, and there is no end");
}
