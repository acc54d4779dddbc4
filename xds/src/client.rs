//! The client's end of a stream.

mod backoff;
mod connect;
mod driver;
mod error;
mod event;
mod response;
mod run;
mod session;
mod state;
mod subscription;
mod transport;

pub use connect::{Connect, ConnectError, Provider, file};
pub use error::{ProtocolError, SubscribeError};
pub use event::{Event, Refusal, Update};
pub use run::{Handle, run};
pub use state::Client;
pub use transport::{Calls, Connection};
