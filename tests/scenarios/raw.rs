//! Raw messages: hundreds of requests and responses, byte by byte as written in `raw/cases/`, by
//! way of our proxy and of Envoy, to the same recording server. What reaches the server, what comes
//! back, and whether the connection lives on must agree; where ours is stricter, the case says so.
//!
//! `raw/case.rs` has the format; `RAW=PART` runs the cases whose names have that part.

mod answers;
mod case;
mod client;
mod frames;
mod hpack;
mod http2;
mod judge;
mod mesh;
mod message;
mod outcome;
mod run;
mod server;
mod text;

pub use case::all as cases;
pub use run::all;
