//! The server's end of a stream.

mod answer;
mod charged;
mod delta;
mod differences;
mod drive;
mod error;
mod observer;
mod pieces;
mod sotw;
mod streams;
mod subscription;

pub use answer::answer;
pub use delta::DeltaStream;
pub use drive::{serve_delta, serve_sotw};
pub use error::StreamError;
pub use observer::{Observer, Reply, SentVersions};
pub use pieces::{Item, Response};
pub use sotw::SotwStream;
