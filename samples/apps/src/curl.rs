//! `curl` for a pod without one: the options that people use to look at a service, and
//! curl's own exit codes.

mod args;
mod error;
mod format;
mod transfer;

use crate::{
    client::{ClientError, Connection, Protocol, Target},
    http::whole,
};
pub use args::{Args, parse_header};
use args::{Request, request};
use bytes::Bytes;
use error::CurlError;
use http_body_util::BodyExt;
use hyper::{
    Method, Response,
    body::Incoming,
    header::{HOST, LOCATION},
};
use std::{
    fs::File,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};
use transfer::Transfer;

/// Fetches each URL; the exit code is that of the last.
pub async fn run(args: Args) -> ExitCode {
    let mut code = 0;
    for url in &args.urls {
        let mut transfer = Transfer::new();
        let limit = args.max_time.unwrap_or(Duration::MAX);
        let fetched = tokio::time::timeout(limit, fetch(&args, url, &mut transfer)).await;
        let fetched = fetched.unwrap_or(Err(ClientError::Timeout(limit).into()));
        transfer.total = transfer.start.elapsed();
        code = fetched.as_ref().map_or_else(CurlError::exit_code, |()| 0);
        if let Some(format) = &args.write_out {
            // A closed standard output can't be told.
            let _ = io::stdout().write_all(format::written(format, &transfer, code).as_bytes());
        }
        if let Err(error) = fetched
            && (!args.silent || args.show_error)
        {
            eprintln!("curl: ({code}) {error}");
        }
    }
    ExitCode::from(code)
}

async fn fetch(args: &Args, url: &str, transfer: &mut Transfer) -> Result<(), CurlError> {
    let mut request = request(args)?;
    let mut url = url.to_owned();
    loop {
        let target = Target::parse(&url)?;
        transfer.url = target.uri.to_string();
        let response = send(args, &target, &request, transfer).await?;
        let status = response.status();
        transfer.status = Some(status);
        transfer.version = response.version();
        transfer.headers = response.headers().clone();
        match next_location(args, &target, &response) {
            Some(next) if transfer.redirects < args.max_redirs => {
                transfer.redirects += 1;
                url = next;
                // As browsers do.
                if status.as_u16() <= 303 && request.method == Method::POST {
                    request.method = Method::GET;
                    request.body = Bytes::new();
                }
            }
            Some(_) => return Err(CurlError::Redirects(args.max_redirs)),
            None if args.fail && status.as_u16() >= 400 => return Err(CurlError::Failed(status)),
            None => return receive(args, response, transfer).await,
        }
    }
}

async fn send(
    args: &Args,
    target: &Target,
    request: &Request,
    transfer: &mut Transfer,
) -> Result<Response<Incoming>, CurlError> {
    let Request {
        method,
        headers,
        body,
    } = request;
    let protocol = match (args.http2_prior_knowledge, args.http1_0 && !args.http1_1) {
        (true, _) => Protocol::Http2,
        (false, true) => Protocol::Http10,
        (false, false) => Protocol::Http11,
    };
    let limit = args.connect_timeout.unwrap_or(Duration::MAX);
    let connected = tokio::time::timeout(limit, Connection::open(target, protocol)).await;
    let mut connection = connected.unwrap_or(Err(ClientError::Timeout(limit)))?;
    transfer.connected = transfer.start.elapsed();
    if args.verbose {
        let path = target
            .uri
            .path_and_query()
            .map_or("/", |path| path.as_str());
        eprintln!("> {method} {path} {protocol:?}");
        if !headers.contains_key(HOST) {
            eprintln!("> host: {}", target.authority());
        }
        eprintln!("{}>", format::headers("> ", headers));
    }
    let response = connection
        .send(target, method.clone(), headers, whole(body.clone()))
        .await?;
    transfer.first_byte = transfer.start.elapsed();
    if args.verbose {
        eprintln!("{}<", format::head("< ", &response));
    }
    Ok(response)
}

fn next_location(args: &Args, target: &Target, response: &Response<Incoming>) -> Option<String> {
    if !args.location || !response.status().is_redirection() {
        return None;
    }
    let next = response.headers().get(LOCATION)?.to_str().ok()?;
    Some(match next {
        next if next.contains("://") => next.to_owned(),
        next if next.starts_with('/') => format!("http://{}{next}", target.authority()),
        next => {
            let folder = target
                .uri
                .path()
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder);
            format!("http://{}{folder}/{next}", target.authority())
        }
    })
}

async fn receive(
    args: &Args,
    response: Response<Incoming>,
    transfer: &mut Transfer,
) -> Result<(), CurlError> {
    let (name, mut output): (&str, Box<dyn Write>) = match args.output.as_deref() {
        None | Some("-") => ("standard output", Box::new(io::stdout())),
        Some(file) => (
            file,
            Box::new(File::create(file).map_err(|error| CurlError::File(file.to_owned(), error))?),
        ),
    };
    let failed = |error| CurlError::File(name.to_owned(), error);
    if args.head || args.include {
        let head = format::head("", &response).replace('\n', "\r\n");
        output
            .write_all(format!("{head}\r\n").as_bytes())
            .map_err(failed)?;
    }
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(ClientError::from)?;
        if let Some(data) = frame.data_ref() {
            transfer.size += data.len() as u64;
            output.write_all(data).map_err(failed)?;
            output.flush().map_err(failed)?;
        } else if let (true, Some(trailers)) = (args.verbose, frame.trailers_ref()) {
            eprint!("{}", format::headers("< ", trailers));
        }
    }
    output.flush().map_err(failed)
}
