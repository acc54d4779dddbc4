//! The injector's certificates, against a real API server.

mod clients;
pub mod installation;
mod load;
mod mounted;
mod own;
