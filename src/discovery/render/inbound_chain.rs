//! The chains of a port of the pod: which connections there are, by the mode of its mutual TLS.

use pillion_envoy_api::envoy::config::{
    listener::v3::{Filter, FilterChain, FilterChainMatch},
    route::v3::RouteConfiguration,
};

use super::{
    Settings,
    chain::{HTTP, PLAIN, chain, tcp_to},
    common::{istio_metadata, text},
    http::{self, Side},
    tls::{self, Carries},
};
use crate::model::{Effective, Key, MtlsMode, Protocol, Tracer};

/// What the TLS inspector calls TLS.
const TLS: &str = "tls";
/// What the mesh's clients offer by ALPN when they send HTTP.
const MESH_HTTP: [&str; 3] = ["istio-http/1.0", "istio-http/1.1", "istio-h2"];
/// What they offer when they send bytes.
const MESH_BYTES: [&str; 2] = ["istio", "istio-peer-exchange"];
/// What they offer, whatever they send.
const MESH: [&str; 5] = [
    "istio",
    "istio-peer-exchange",
    "istio-http/1.0",
    "istio-http/1.1",
    "istio-h2",
];

/// How the first bytes of a connection decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    /// The port is HTTP.
    Http,
    /// They are HTTP or not.
    Sniffed,
    /// The port is bytes.
    Bytes,
}

impl Speaks {
    /// How a port of this protocol is read.
    pub fn of(protocol: Protocol) -> Self {
        if protocol.is_http() {
            Self::Http
        } else if protocol.is_sniffed() {
            Self::Sniffed
        } else {
            Self::Bytes
        }
    }
}

/// Connections that have a chain of their own.
struct Case {
    /// What the chain's name has after the port's.
    suffix: &'static str,
    /// What the TLS inspector says; empty for all.
    transport: &'static str,
    /// What is offered by ALPN, or found by the HTTP inspector. None: all.
    protocols: &'static [&'static str],
    /// What is carried.
    carries: Carries,
    /// Whether the mesh's TLS ends here.
    ends_tls: bool,
}

const fn case(
    suffix: &'static str,
    (transport, protocols): (&'static str, &'static [&'static str]),
    carries: Carries,
) -> Case {
    Case {
        suffix,
        transport,
        protocols,
        carries,
        ends_tls: false,
    }
}

/// A case of the mesh's TLS.
const fn mutual(
    suffix: &'static str,
    protocols: &'static [&'static str],
    carries: Carries,
) -> Case {
    Case {
        suffix,
        transport: TLS,
        protocols,
        carries,
        ends_tls: true,
    }
}

/// What is not the mesh's TLS is the application's, and passes.
const PERMISSIVE_HTTP: &[Case] = &[
    mutual("_mtls", &MESH, Carries::Http),
    case("", (PLAIN, &[]), Carries::Http),
];
const PERMISSIVE_SNIFFED: &[Case] = &[
    mutual("_http_mtls", &MESH_HTTP, Carries::Http),
    case("_http", (PLAIN, &HTTP), Carries::Http),
    mutual("_mtls", &MESH_BYTES, Carries::Bytes),
    case("", (PLAIN, &[]), Carries::Bytes),
    case("_tls", (TLS, &[]), Carries::Bytes),
];
const PERMISSIVE_BYTES: &[Case] = &[
    mutual("_mtls", &MESH_BYTES, Carries::Bytes),
    case("_tls", (TLS, &[]), Carries::Bytes),
    case("", (PLAIN, &[]), Carries::Bytes),
];
/// All TLS is the mesh's, and there is no other chain.
const STRICT_HTTP: &[Case] = &[mutual("_mtls", &[], Carries::Http)];
const STRICT_SNIFFED: &[Case] = &[
    mutual("_http_mtls", &MESH_HTTP, Carries::Http),
    mutual("_mtls", &[], Carries::Bytes),
];
const STRICT_BYTES: &[Case] = &[mutual("_mtls", &[], Carries::Bytes)];
const PLAIN_HTTP: &[Case] = &[case("", ("", &[]), Carries::Http)];
const PLAIN_SNIFFED: &[Case] = &[
    case("_http", (PLAIN, &HTTP), Carries::Http),
    case("", ("", &[]), Carries::Bytes),
];
const PLAIN_BYTES: &[Case] = &[case("", ("", &[]), Carries::Bytes)];

fn cases(speaks: Speaks, mode: MtlsMode) -> &'static [Case] {
    match (mode, speaks) {
        (MtlsMode::Permissive, Speaks::Http) => PERMISSIVE_HTTP,
        (MtlsMode::Permissive, Speaks::Sniffed) => PERMISSIVE_SNIFFED,
        (MtlsMode::Permissive, Speaks::Bytes) => PERMISSIVE_BYTES,
        (MtlsMode::Strict, Speaks::Http) => STRICT_HTTP,
        (MtlsMode::Strict, Speaks::Sniffed) => STRICT_SNIFFED,
        (MtlsMode::Strict, Speaks::Bytes) => STRICT_BYTES,
        (MtlsMode::Disable, Speaks::Http) => PLAIN_HTTP,
        (MtlsMode::Disable, Speaks::Sniffed) => PLAIN_SNIFFED,
        (MtlsMode::Disable, Speaks::Bytes) => PLAIN_BYTES,
    }
}

/// Connections to a port, or to all ports that have no chains of their own.
pub(super) struct Port<'a> {
    /// What the chains' names begin with.
    pub name: &'a str,
    /// The port; none for all.
    pub number: Option<u16>,
    /// How it is read.
    pub speaks: Speaks,
    /// What it takes.
    pub mtls: &'a Effective,
    /// Where it goes.
    pub cluster: &'a str,
}

/// The chains of a port.
pub(super) fn chains(
    port: &Port<'_>,
    routes: &dyn Fn() -> RouteConfiguration,
    how: (&Settings, Option<&Tracer>),
) -> Vec<FilterChain> {
    let cases = cases(port.speaks, port.mtls.mode).iter();
    cases
        .map(|case| {
            let name = format!("{}{}", port.name, case.suffix);
            let filter = match case.carries {
                Carries::Http => reads_http(&name, routes(), how),
                Carries::Bytes => tcp_to(port.cluster, how.0),
            };
            let mut chain = chain(&name, Some(matches(port, case)), filter);
            let domains = how.0.mutual_tls.as_deref().unwrap_or_default();
            chain.transport_socket =
                (case.ends_tls).then(|| tls::downstream(case.carries, domains));
            chain.metadata = port
                .mtls
                .decided_by
                .as_ref()
                .map(|rule| istio_metadata([("config", text(path(rule)))]));
            chain
        })
        .collect()
}

/// Reads HTTP of clients of the pod.
pub(super) fn reads_http(
    name: &str,
    routes: RouteConfiguration,
    how: (&Settings, Option<&Tracer>),
) -> Filter {
    http::inline(Side::Inbound, name, routes, how)
}

fn matches(port: &Port<'_>, case: &Case) -> FilterChainMatch {
    FilterChainMatch {
        destination_port: port.number.map(Into::into),
        transport_protocol: case.transport.to_owned(),
        application_protocols: case
            .protocols
            .iter()
            .map(|name| (*name).to_owned())
            .collect(),
        ..FilterChainMatch::default()
    }
}

/// The PeerAuthentication that says what a port takes, for the log.
fn path(rule: &Key) -> String {
    format!(
        "/apis/security.istio.io/v1/namespaces/{}/peer-authentication/{}",
        rule.namespace, rule.name
    )
}
