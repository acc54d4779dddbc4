//! The gRPC echo (`samples/grpc-echo/echo.proto`) and its client. The messages have a few
//! fields, so they are written by hand: code generators and their runtime would be most
//! of the binary.

pub mod call;
mod frame;
mod message;
pub mod server;

/// gRPC's numbers of the statuses that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    InvalidArgument = 3,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
}

/// A status other than OK, and what the caller is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (gRPC status {code})")]
pub struct Status {
    pub code: u32,
    pub message: String,
}

impl Status {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code: code as u32,
            message: message.into(),
        }
    }
}

/// The full names of the methods.
const UNARY: &str = "/pillion.samples.Echo/Unary";
const SERVER_STREAM: &str = "/pillion.samples.Echo/ServerStream";
const CLIENT_STREAM: &str = "/pillion.samples.Echo/ClientStream";
const BIDIRECTIONAL: &str = "/pillion.samples.Echo/Bidirectional";
const HEALTH: &str = "/grpc.health.v1.Health/Check";
