//! Services and tools that speak plain TCP.

use crate::{http::pod, seconds::seconds, server};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream as BlockingStream},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// The longest line; a longer one is taken as several.
const LINE: u64 = 64 << 10;

/// Ports and greeting, as the image of Istio's sample takes them.
#[derive(clap::Args)]
pub struct EchoArgs {
    /// The ports, with commas between them
    #[arg(default_value = "9000,9001,9002")]
    ports: Ports,
    /// What stands before each line
    #[arg(default_value = "hello")]
    greeting: String,
}

/// Several ports in one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ports(Vec<u16>);

impl std::str::FromStr for Ports {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        let port = |text: &str| {
            text.trim()
                .parse()
                .map_err(|_| format!("{text:?} is not a port (0–65535)"))
        };
        list.split(',')
            .map(port)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// The port of the service that speaks first.
#[derive(clap::Args)]
pub struct ServerFirstArgs {
    #[command(flatten)]
    listen: server::Listen,
}

/// How long to wait.
#[derive(clap::Args)]
pub struct SleepArgs {
    /// Seconds, or `infinity`
    #[arg(default_value = "infinity", value_parser = duration)]
    time: Duration,
}

/// Where to connect to.
#[derive(clap::Args)]
pub struct NcArgs {
    host: String,
    port: u16,
}

fn duration(text: &str) -> Result<Duration, String> {
    if text == "infinity" {
        Ok(Duration::MAX)
    } else {
        seconds(text)
    }
}

/// Answers each line with `GREETING LINE`, on all of its ports.
pub async fn echo(args: EchoArgs) -> io::Result<()> {
    let greeting: Arc<str> = args.greeting.into();
    let mut ports = tokio::task::JoinSet::new();
    for port in args.ports.0 {
        let listener = server::Listen {
            port: Some(port),
            address: None,
        }
        .bind("tcp-echo", port)
        .await?;
        let greeting = greeting.clone();
        ports.spawn(async move {
            server::accept(listener, |stream, _| {
                let greeting = greeting.clone();
                // A caller that goes away ends its connection, and nothing else.
                async move { drop(echo_lines(stream, &greeting).await) }
            })
            .await
        });
    }
    while let Some(ended) = ports.join_next().await {
        ended.map_err(io::Error::other)??;
    }
    Ok(())
}

async fn echo_lines(mut stream: TcpStream, greeting: &str) -> io::Result<()> {
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    while next_line(&mut read, &mut line).await? {
        let mut answer = format!("{greeting} ").into_bytes();
        answer.append(&mut line);
        write.write_all(&answer).await?;
    }
    write.shutdown().await
}

/// Reads a line with its end, at most `LINE` bytes of it; false at the end of all.
async fn next_line(
    read: &mut (impl AsyncBufReadExt + Unpin),
    line: &mut Vec<u8>,
) -> io::Result<bool> {
    line.clear();
    Ok(read.take(LINE).read_until(b'\n', line).await? > 0)
}

/// Sends a banner before it reads, then answers each line, as a mail server does. On
/// port 9100, which no proxy knows as that of such a protocol.
pub async fn server_first(args: ServerFirstArgs) -> io::Result<()> {
    let listener = args.listen.bind("server-first", 9100).await?;
    let pod: Arc<str> = pod().into();
    server::accept(listener, |stream, _| {
        let pod = pod.clone();
        async move { drop(converse(stream, &pod).await) }
    })
    .await
}

async fn converse(mut stream: TcpStream, pod: &str) -> io::Result<()> {
    let (read, mut write) = stream.split();
    write
        .write_all(format!("220 {pod} ready\r\n").as_bytes())
        .await?;
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    while next_line(&mut read, &mut line).await? {
        let said = line.trim_ascii();
        if said.eq_ignore_ascii_case(b"quit") {
            write.write_all(b"221 bye\r\n").await?;
            break;
        }
        write.write_all(&[b"250 ", said, b"\r\n"].concat()).await?;
    }
    write.shutdown().await
}

/// Waits for the time, or for SIGTERM, on which process 1 of a container has to act itself.
pub async fn sleep(args: SleepArgs) -> io::Result<()> {
    tokio::time::timeout(args.time, server::terminated())
        .await
        .unwrap_or(Ok(()))
}

/// Copies standard input to the port and the port's answer to standard output, until
/// the port has closed.
pub fn nc(args: &NcArgs) -> io::Result<()> {
    let connected = BlockingStream::connect((args.host.as_str(), args.port));
    let mut stream = connected.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("can't connect to {}:{}: {error}", args.host, args.port),
        )
    })?;
    let mut sending = stream.try_clone()?;
    std::thread::spawn(move || {
        // When the port closes first, nobody needs the rest.
        let _ = io::copy(&mut io::stdin().lock(), &mut sending);
        let _ = sending.shutdown(Shutdown::Write);
    });
    let mut output = io::stdout().lock();
    let mut buffer = [0; 16 << 10];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => {
                output.write_all(buffer.get(..length).unwrap_or_default())?;
                output.flush()?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_for_ever_when_asked_to() {
        assert_eq!(duration("infinity"), Ok(Duration::MAX));
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
    }

    #[test]
    fn reads_ports_with_commas_between_them() {
        assert_eq!("9000, 9001".parse(), Ok(Ports(vec![9000, 9001])));
        for list in ["", "9000,", "65536", "a"] {
            assert!(list.parse::<Ports>().is_err(), "{list:?}");
        }
    }

    #[tokio::test]
    async fn takes_a_line_that_is_too_long_as_several() {
        let long = vec![b'a'; LINE as usize + 1];
        let mut read = long.as_slice();
        let mut line = Vec::new();
        assert!(next_line(&mut read, &mut line).await.unwrap());
        assert_eq!(line.len() as u64, LINE);
        assert!(next_line(&mut read, &mut line).await.unwrap());
        assert_eq!(line, b"a");
        assert!(!next_line(&mut read, &mut line).await.unwrap());
    }
}
