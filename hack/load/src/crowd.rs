//! Many connections with one request each.

use std::{net::SocketAddr, thread, time::Duration};

use crate::{connection::Connection, requests::Asked};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to connect to.
    target: SocketAddr,
    /// Connections in all.
    #[arg(long)]
    connections: usize,
    /// How many are open at a time.
    #[arg(long)]
    at_once: usize,
    #[command(flatten)]
    asked: Asked,
}

/// Opens and closes them.
pub(crate) fn run(args: &Args) -> anyhow::Result<String> {
    anyhow::ensure!(args.at_once > 0, "none at once is none at all");
    let requests = args.asked.all(args.target.port());
    let mut requests = requests.iter().cycle();
    let target = args.target.into();
    let mut missing = args.connections;
    let mut buffer = vec![0; 64 * 1024];
    while missing > 0 {
        let count = missing.min(args.at_once);
        missing -= count;
        let mut connections = Vec::with_capacity(count);
        for request in requests.by_ref().take(count) {
            let mut connection = Connection::open(&target)?;
            connection.send(&request.http1())?;
            connections.push(connection);
        }
        for connection in &mut connections {
            while !connection.receive(&mut buffer)? {
                thread::sleep(Duration::from_micros(100));
            }
        }
    }
    Ok(args.connections.to_string())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
    };

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn opens_them_all() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let server = thread::spawn(move || {
            for _ in 0..5 {
                let (mut client, _) = listener.accept().unwrap();
                assert!(client.read(&mut [0; 1024]).unwrap() > 0);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                client.write_all(answer).unwrap();
            }
        });
        let line = ["crowd", &target, "--connections", "5", "--at-once", "2"];
        assert_eq!(run(&Line::parse_from(line).args).unwrap(), "5");
        server.join().unwrap();
    }
}
