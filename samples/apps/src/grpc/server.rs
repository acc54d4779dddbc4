//! The service: unary, streams of either side, both at once; and the health check.

use super::{
    BIDIRECTIONAL, CLIENT_STREAM, Code, HEALTH, SERVER_STREAM, Status, UNARY, frame, message,
};
use crate::{
    http::{Body, pod, text},
    server::{self, Listen},
};
use bytes::Bytes;
use frame::{Messages, framed};
use http_body_util::{BodyExt, channel};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
};
use message::{Reply, SERVING};
use std::{io, sync::Arc, time::Duration};

/// What it says and where.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    listen: Listen,
    /// The version that it says
    #[arg(long, env = "SERVICE_VERSION", default_value = "v1")]
    version: String,
}

/// The most answers of a server stream, and the longest delay of each.
const REPLIES: u32 = 100_000;
const DELAY: Duration = Duration::from_secs(30);

/// Who answers.
struct Identity {
    instance: String,
    version: String,
}

/// Serves gRPC on port 7070.
pub async fn run(args: Args) -> io::Result<()> {
    let listener = args.listen.bind("grpc-echo", 7070).await?;
    let identity = Arc::new(Identity {
        instance: pod(),
        version: args.version,
    });
    server::http(listener, move |request| {
        let response = answer(request, identity.clone());
        async { response }
    })
    .await
}

fn answer(request: Request<Incoming>, identity: Arc<Identity>) -> Response<Body> {
    let grpc = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if !grpc || request.method() != Method::POST {
        return text(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "this port speaks gRPC\n",
        );
    }
    let (head, body) = request.into_parts();
    let (sender, answers) = channel::Channel::<Bytes>::new(1);
    tokio::spawn(async move {
        let mut call = Call {
            messages: Messages::new(body),
            sender,
            identity,
        };
        let ended = call.run(head.uri.path()).await;
        // Nobody waits for the status if this fails.
        let _ = call.sender.send_trailers(trailers(&ended)).await;
    });
    let mut response = Response::new(answers.boxed_unsync());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The status as gRPC sends it: behind the messages.
fn trailers(ended: &Result<(), Status>) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(
        "grpc-status",
        ended
            .as_ref()
            .map_or_else(|status| status.code, |()| Code::Ok as u32)
            .into(),
    );
    if let Err(status) = ended
        && let Ok(message) = HeaderValue::from_str(&percent_encoded(&status.message))
    {
        trailers.insert("grpc-message", message);
    }
    trailers
}

fn percent_encoded(message: &str) -> String {
    let mut out = String::new();
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

struct Call {
    messages: Messages,
    sender: channel::Sender<Bytes>,
    identity: Arc<Identity>,
}

impl Call {
    async fn run(&mut self, method: &str) -> Result<(), Status> {
        match method {
            UNARY => {
                let request = self.only().await?;
                self.reply(&request, &request.message).await?;
                ended(request.code)
            }
            SERVER_STREAM => {
                let request = self.only().await?;
                if request.count > REPLIES {
                    return Err(Status::new(
                        Code::InvalidArgument,
                        format!("count is at most {REPLIES}"),
                    ));
                }
                for _ in 0..request.count {
                    self.reply(&request, &request.message).await?;
                }
                ended(request.code)
            }
            CLIENT_STREAM => {
                let (mut count, mut last) = (0_u64, message::Request::default());
                while let Some(request) = self.next().await? {
                    count += 1;
                    last = request;
                }
                self.reply(
                    &last,
                    &format!("{count} messages, the last: {}", last.message),
                )
                .await?;
                ended(last.code)
            }
            BIDIRECTIONAL => {
                while let Some(request) = self.next().await? {
                    self.reply(&request, &request.message).await?;
                    ended(request.code)?;
                }
                Ok(())
            }
            HEALTH => {
                while self.messages.next().await?.is_some() {}
                self.send(&SERVING).await
            }
            _ => Err(Status::new(
                Code::Unimplemented,
                format!("there is no method {method}"),
            )),
        }
    }

    async fn next(&mut self) -> Result<Option<message::Request>, Status> {
        self.messages
            .next()
            .await?
            .map(|message| message::Request::decode(&message))
            .transpose()
    }

    async fn only(&mut self) -> Result<message::Request, Status> {
        let request = self
            .next()
            .await?
            .ok_or_else(|| Status::new(Code::InvalidArgument, "the request has no message"))?;
        match self.messages.next().await? {
            None => Ok(request),
            Some(_) => Err(Status::new(
                Code::InvalidArgument,
                "the request has more than one message",
            )),
        }
    }

    async fn reply(&mut self, request: &message::Request, message: &str) -> Result<(), Status> {
        let delay = Duration::from_millis(request.delay_ms.into());
        if !delay.is_zero() {
            tokio::time::sleep(delay.min(DELAY)).await;
        }
        let Identity { instance, version } = self.identity.as_ref();
        let reply = Reply {
            message: message.to_owned(),
            instance: instance.clone(),
            version: version.clone(),
        };
        self.send(&reply.encode()).await
    }

    async fn send(&mut self, message: &[u8]) -> Result<(), Status> {
        self.sender
            .send_data(framed(message))
            .await
            .map_err(|_| Status::new(Code::Cancelled, "the caller has gone"))
    }
}

fn ended(code: u32) -> Result<(), Status> {
    if code == 0 {
        Ok(())
    } else {
        Err(Status {
            code,
            message: "the request asked for this status".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_any_message_of_a_status_as_a_header() {
        let status = Status::new(Code::Internal, "100 % é\n");
        let trailers = trailers(&Err(status));
        assert_eq!(
            (
                trailers["grpc-status"].as_bytes(),
                trailers["grpc-message"].as_bytes()
            ),
            (&b"13"[..], &b"100 %25 %C3%A9%0A"[..])
        );
        assert_eq!(super::trailers(&Ok(()))["grpc-status"], "0");
    }
}
