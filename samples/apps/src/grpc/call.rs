//! A client of the echo, which prints each answer as `VERSION INSTANCE MESSAGE`.

use super::{BIDIRECTIONAL, CLIENT_STREAM, HEALTH, SERVER_STREAM, Status, UNARY, frame, message};
use crate::{
    client::{ClientError, Connection, Protocol, Target},
    http::Body,
};
use bytes::Bytes;
use frame::{Messages, framed};
use http_body_util::{BodyExt, channel::Channel};
use hyper::{
    HeaderMap, Method,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, TE},
};
use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

/// What to call.
#[derive(clap::Args)]
pub struct Args {
    /// HOST:PORT
    address: String,
    #[arg(value_enum, default_value = "unary")]
    method: Kind,
    /// What is to come back
    #[arg(long, default_value = "hello")]
    message: String,
    /// How many messages a stream has
    #[arg(long, default_value_t = 3)]
    count: u32,
    /// How long the service waits before each answer, in milliseconds
    #[arg(long, default_value_t = 0)]
    delay_ms: u32,
    /// The status that the service is to end with
    #[arg(long, default_value_t = 0)]
    code: u32,
    /// How many calls are made, one after the other over one connection
    #[arg(long, default_value_t = 1)]
    requests: u32,
    /// A further header of the request, `NAME: VALUE`
    #[arg(short = 'H', long = "header", value_parser = crate::curl::parse_header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// How long a call may take, in seconds
    #[arg(long, default_value = "60", value_parser = crate::seconds::seconds)]
    timeout: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Unary,
    ServerStream,
    ClientStream,
    Bidirectional,
    Health,
}

#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Status(#[from] Status),
    #[error("{0} answered with the HTTP status {1}")]
    Http(String, hyper::StatusCode),
    #[error("can't write to standard output: {0}")]
    Output(io::Error),
    #[error("the answer has no gRPC status")]
    NoStatus,
}

/// Calls, prints, and succeeds if every call ended with the status OK.
pub async fn run(args: Args) -> ExitCode {
    match calls(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("grpc-call: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn calls(args: &Args) -> Result<(), CallError> {
    let timeout = args.timeout;
    let (path, messages) = match args.method {
        Kind::Unary => (UNARY, 1),
        Kind::ServerStream => (SERVER_STREAM, 1),
        Kind::ClientStream => (CLIENT_STREAM, args.count),
        Kind::Bidirectional => (BIDIRECTIONAL, args.count),
        Kind::Health => (HEALTH, 1),
    };
    let target = Target::parse(&format!("http://{}{path}", args.address))?;
    let mut connection = Connection::open(&target, Protocol::Http2).await?;
    for _ in 0..args.requests {
        let called = call(args, &target, &mut connection, messages);
        tokio::time::timeout(timeout, called)
            .await
            .unwrap_or(Err(ClientError::Timeout(timeout).into()))?;
    }
    Ok(())
}

async fn call(
    args: &Args,
    target: &Target,
    connection: &mut Connection,
    messages: u32,
) -> Result<(), CallError> {
    let mut headers: HeaderMap = args.headers.iter().cloned().collect();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    let response = connection
        .send(target, Method::POST, &headers, body(args, messages))
        .await?;
    if response.status() != hyper::StatusCode::OK {
        return Err(CallError::Http(args.address.clone(), response.status()));
    }
    let (head, body) = response.into_parts();
    let mut answers = Messages::new(body);
    while let Some(answer) = answers.next().await? {
        let line = match args.method {
            Kind::Health if *answer == message::SERVING => "SERVING".to_owned(),
            Kind::Health => "not serving".to_owned(),
            _ => {
                let message::Reply {
                    message,
                    instance,
                    version,
                } = message::Reply::decode(&answer)?;
                format!("{version} {instance} {message}")
            }
        };
        writeln!(io::stdout(), "{line}").map_err(CallError::Output)?;
    }
    // An answer without messages has its status in the head.
    status(answers.trailers.as_ref().unwrap_or(&head.headers))
}

/// The messages of a request, sent one after the other.
fn body(args: &Args, messages: u32) -> Body {
    let request = match args.method {
        Kind::Health => Vec::new(),
        _ => {
            let message = args.message.clone();
            message::Request {
                message,
                count: args.count,
                delay_ms: args.delay_ms,
                code: args.code,
            }
            .encode()
        }
    };
    let request = framed(&request);
    let (mut sender, body) = Channel::<Bytes>::new(1);
    tokio::spawn(async move {
        for _ in 0..messages {
            // The service has ended the call.
            if sender.send_data(request.clone()).await.is_err() {
                return;
            }
        }
    });
    body.boxed_unsync()
}

fn status(trailers: &HeaderMap) -> Result<(), CallError> {
    let text = |name| trailers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status").and_then(|code| code.parse().ok()) {
        Some(0) => Ok(()),
        Some(code) => Err(Status {
            code,
            message: text("grpc-message").unwrap_or_default().to_owned(),
        }
        .into()),
        None => Err(CallError::NoStatus),
    }
}
