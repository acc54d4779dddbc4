//! HTTP and TCP as the test itself asks, from outside of the cluster.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The answer to a GET, head and body; `None` if the connection fails.
pub async fn get(address: &str, path: &str) -> Option<String> {
    get_of(address, address, path).await
}

/// The answer to a GET of another host at this address.
pub async fn get_of(address: &str, host: &str, path: &str) -> Option<String> {
    get_with(address, host, path, &[]).await
}

/// The answer to a GET with these header fields.
pub async fn get_with(address: &str, host: &str, path: &str, fields: &[&str]) -> Option<String> {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}Connection: close\r\n\r\n");
    exchange(address, &request, false).await
}

/// All that comes back on a TCP connection whose client says this and no more.
pub async fn say(address: &str, words: &str) -> Option<String> {
    exchange(address, words, true).await
}

/// A client of HTTP does not end its side, which would mean that it has gone.
async fn exchange(address: &str, words: &str, ends: bool) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(words.as_bytes()).await.ok()?;
    if ends {
        stream.shutdown().await.ok()?;
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}
