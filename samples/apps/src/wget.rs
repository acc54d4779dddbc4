//! `wget` as busybox has it, for the experiments that were written for it.

use crate::{
    client::{ClientError, Connection, Protocol, Target},
    curl::parse_header,
    http::whole,
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{HeaderName, HeaderValue, USER_AGENT},
};
use std::{
    fs::File,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

/// The options, with wget's names.
#[derive(clap::Args)]
pub struct Args {
    url: String,
    /// No progress, of which there is none anyway
    #[arg(short, long)]
    quiet: bool,
    /// The file; - is standard output [default: the last part of the path, or index.html]
    #[arg(short = 'O', long)]
    output_document: Option<String>,
    /// Print the head of the answer on standard error
    #[arg(short = 'S', long)]
    server_response: bool,
    /// Only see whether it is there
    #[arg(long)]
    spider: bool,
    #[arg(long = "header", value_parser = parse_header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Send this as the body of a POST
    #[arg(long)]
    post_data: Option<String>,
    /// The longest time of all, in seconds
    #[arg(short = 'T', long, value_parser = crate::seconds::seconds)]
    timeout: Option<Duration>,
}

#[derive(Debug, thiserror::Error)]
enum WgetError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("server returned error: {0}")]
    Status(StatusCode),
    #[error("{0}: {1}")]
    File(String, io::Error),
}

/// Fetches the URL; anything but a status of 2xx fails.
pub async fn run(args: Args) -> ExitCode {
    let limit = args.timeout.unwrap_or(Duration::MAX);
    match tokio::time::timeout(limit, fetch(&args))
        .await
        .unwrap_or(Err(ClientError::Timeout(limit).into()))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wget: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn fetch(args: &Args) -> Result<(), WgetError> {
    let target = Target::parse(&args.url)?;
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static("Wget"));
    headers.extend(args.headers.iter().cloned());
    let (method, body) = match &args.post_data {
        Some(data) => (Method::POST, Bytes::from(data.clone())),
        None => (Method::GET, Bytes::new()),
    };
    let mut connection = Connection::open(&target, Protocol::Http11).await?;
    let response = connection
        .send(&target, method, &headers, whole(body))
        .await?;
    if args.server_response {
        eprintln!("  {:?} {}", response.version(), response.status());
        for (name, value) in response.headers() {
            eprintln!("  {name}: {}", String::from_utf8_lossy(value.as_bytes()));
        }
    }
    if !response.status().is_success() {
        return Err(WgetError::Status(response.status()));
    }
    if args.spider {
        return Ok(());
    }
    let name = args
        .output_document
        .as_deref()
        .unwrap_or_else(|| file_name(target.uri.path()));
    let failed = |error| WgetError::File(name.to_owned(), error);
    let mut output: Box<dyn Write> = match name {
        "-" => Box::new(io::stdout()),
        name => Box::new(File::create(name).map_err(failed)?),
    };
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(ClientError::from)?.into_data() {
            output.write_all(&data).map_err(failed)?;
        }
    }
    output.flush().map_err(failed)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/')
        .next()
        .filter(|name| !name.is_empty())
        .unwrap_or("index.html")
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_the_file_as_wget_does() {
        assert_eq!(file_name("/a/b.tar"), "b.tar");
        assert_eq!(file_name("/"), "index.html");
    }
}
