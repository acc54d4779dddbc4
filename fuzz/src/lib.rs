//! The fuzz targets, for all code that parses untrusted input.
//!
//! Each target checks the result and its cost ([`pillion_cost::Bound`]). Random bytes are
//! hardly ever a pod that reaches the templates, and never one of megabytes, so most
//! targets use the fuzzer's bytes as instructions for [`pillion_grammar`].

mod answers;
mod chosen;
mod claims;
mod config;
mod configurations;
mod contexts;
mod csr;
mod cursor;
mod exchange;
mod free;
mod heads;
mod http;
mod http1;
mod injected;
mod manifests;
mod mapping;
mod messages;
mod model;
mod names;
mod path_env;
mod pem;
mod protobuf;
mod responses;
mod review;
mod rewriting;
mod rules;
mod script;
mod secrets;
mod sniff;
mod talk;
mod templates;
mod uninject;
mod units;

pub use answers::answers;
pub use claims::claims;
pub use config::config;
pub use contexts::contexts;
pub use csr::csr;
pub use exchange::exchange;
pub use http::http;
pub use http1::http1;
pub use manifests::manifests;
pub use mapping::mapping;
pub use names::names;
pub use path_env::path_env;
pub use pem::pem;
pub use protobuf::messages;
pub use responses::responses;
pub use review::review;
pub use rewriting::rewriting;
pub use rules::rules;
pub use secrets::secrets;
pub use sniff::sniff;
pub use templates::templates;
pub use uninject::uninject;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All fuzz targets, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("answers", answers),
    ("claims", claims),
    ("config", config),
    ("contexts", contexts),
    ("csr", csr),
    ("exchange", exchange),
    ("http", http),
    ("http1", http1),
    ("manifests", manifests),
    ("mapping", mapping),
    ("messages", messages),
    ("names", names),
    ("path_env", path_env),
    ("pem", pem),
    ("responses", responses),
    ("review", review),
    ("rewriting", rewriting),
    ("rules", rules),
    ("secrets", secrets),
    ("sniff", sniff),
    ("templates", templates),
    ("uninject", uninject),
];

#[cfg(test)]
mod replay;
