//! What must hold for any bytes whatsoever, in what reads foreign ones.
//!
//! Each target has two promises: that the answer is right, and what it costs at
//! most ([`pillion_cost::Bound`]). Bytes alone hardly ever come to a pod that gets
//! as far as the templates, and never to one of megabytes, so most of them are
//! instructions for [`pillion_grammar`].

mod config;
mod configurations;
mod http;
mod injected;
mod manifests;
mod path_env;
mod pem;
mod review;
mod templates;
mod uninject;
mod units;

pub use config::config;
pub use http::http;
pub use manifests::manifests;
pub use path_env::path_env;
pub use pem::pem;
pub use review::review;
pub use templates::templates;
pub use uninject::uninject;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("config", config),
    ("http", http),
    ("manifests", manifests),
    ("path_env", path_env),
    ("pem", pem),
    ("review", review),
    ("templates", templates),
    ("uninject", uninject),
];

#[cfg(test)]
mod replay;
