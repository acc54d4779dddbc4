//! The labels of Istio's metrics, as text.
//!
//! Names, order and fallbacks are those of Istio's standard metrics: what is not known is
//! `unknown`, and a revision `latest`.

use std::fmt::{self, Write as _};

use super::{flags::ResponseFlags, parties::Parties, registry::Origin, workload::Workload};
use crate::{
    tables::{BLACK_HOLE, INBOUND_PASSTHROUGH, PASSTHROUGH, Service},
    traffic::Direction,
};

const UNKNOWN: &str = "unknown";
/// The service of requests whose own series would be one too many.
const OVERFLOW: &[u8] = b"overflow";

/// The longest authority that gets series of its own: a DNS name and a port.
const MAX_AUTHORITY: usize = 253 + 6;

/// Where a request or a connection went, as the labels of the destination's service tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Destination<'a> {
    /// To a service that the configuration names.
    Service(&'a Service),
    /// To this workload. The name of the cluster is the service's if it is one of those
    /// that carry what no service asked for.
    Own { passthrough: &'a str },
    /// To a host of the configuration.
    Host(&'a str),
    /// To what the client asked for; by one of the built-in clusters, if it has a name.
    Asked {
        authority: &'a [u8],
        cluster: &'a str,
    },
    /// The destination is counted under "overflow", because there are too many series.
    Overflow,
}

impl<'a> Destination<'a> {
    /// Of a request, or of a connection, which asks for nothing.
    pub fn new(direction: Direction, route: &str, cluster: &'a str, asked: &'a [u8]) -> Self {
        if direction == Direction::Inbound {
            let passthrough = cluster.starts_with(INBOUND_PASSTHROUGH);
            let passthrough = if passthrough { cluster } else { "" };
            return Self::Own { passthrough };
        }
        // outbound|PORT|SUBSET|HOST
        if let Some(rest) = cluster.strip_prefix("outbound|") {
            return Self::Host(rest.rsplit_once('|').map_or(rest, |(_, host)| host));
        }
        let cluster = match (route, cluster) {
            ("block_all", _) | (_, BLACK_HOLE) => BLACK_HOLE,
            ("allow_any", _) | (_, PASSTHROUGH) => PASSTHROUGH,
            _ => "",
        };
        if asked.len() > MAX_AUTHORITY {
            return Self::Overflow;
        }
        let authority = asked;
        Self::Asked { authority, cluster }
    }

    /// Who made it up.
    pub fn origin(self) -> Origin {
        match self {
            Self::Asked { authority, .. } if !authority.is_empty() => Origin::Client,
            _ => Origin::Configured,
        }
    }
}

/// How a request ended, as far as labels tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Outcome {
    pub direction: Direction,
    pub is_grpc: bool,
    /// 0 without a response.
    pub status: u16,
    /// gRPC's codes are 0 to 16; -1 stands for others, as in Envoy.
    pub grpc_status: Option<i8>,
    pub flags: ResponseFlags,
    /// The key of the [`Parties`]; 0 if nobody has proved who it is.
    pub parties: u64,
}

/// The 25 labels of a request.
pub(super) fn of_request(
    own: &Workload,
    outcome: Outcome,
    to: Destination<'_>,
    parties: Option<&Parties>,
) -> String {
    let mut labels = Labels::new(own, outcome.direction, to, parties);
    let protocol = if outcome.is_grpc { "grpc" } else { "http" };
    labels.add("request_protocol", protocol);
    labels.show("response_code", outcome.status);
    match outcome.grpc_status {
        Some(status) => labels.show("grpc_response_status", status),
        None => labels.add("grpc_response_status", ""),
    }
    labels.end(outcome.direction, outcome.flags, parties)
}

/// The 23 labels of a connection.
pub(super) fn of_connection(
    own: &Workload,
    direction: Direction,
    flags: ResponseFlags,
    to: Destination<'_>,
    parties: Option<&Parties>,
) -> String {
    let mut labels = Labels::new(own, direction, to, parties);
    labels.add("request_protocol", "tcp");
    labels.end(direction, flags, parties)
}

struct Labels(String);

impl Labels {
    fn new(
        own: &Workload,
        direction: Direction,
        to: Destination<'_>,
        parties: Option<&Parties>,
    ) -> Self {
        let source = parties.map_or(UNKNOWN, Parties::source);
        let destination = parties.map_or(UNKNOWN, Parties::destination);
        let mut labels = Self(String::with_capacity(1024));
        labels.add("reporter", direction.reporter());
        match direction {
            Direction::Outbound => {
                labels.source(own, source);
                labels.destination(&Workload::default(), destination, (direction, to));
            }
            Direction::Inbound => {
                labels.source(&Workload::default(), source);
                labels.destination(own, destination, (direction, to));
            }
        }
        labels
    }

    fn source(&mut self, workload: &Workload, principal: &str) {
        self.known("source_workload", &workload.name);
        self.known("source_canonical_service", &workload.canonical_service);
        self.revision("source_canonical_revision", workload);
        self.known("source_workload_namespace", &workload.namespace);
        self.known("source_principal", principal);
        self.known("source_app", &workload.app);
        self.known("source_version", &workload.version);
        self.known("source_cluster", &workload.cluster);
    }

    fn destination(
        &mut self,
        workload: &Workload,
        principal: &str,
        (direction, to): (Direction, Destination<'_>),
    ) {
        let canonical = workload.canonical_service.as_bytes();
        let (service, name) = match to {
            Destination::Service(service) => (service.host.as_bytes(), service.name.as_bytes()),
            Destination::Own { passthrough: "" } => (canonical, canonical),
            Destination::Own { passthrough } => (canonical, passthrough.as_bytes()),
            Destination::Host(host) => {
                let name = host.split('.').next().unwrap_or(host);
                (host.as_bytes(), name.as_bytes())
            }
            Destination::Asked {
                authority,
                cluster: "",
            } => (authority, authority),
            Destination::Asked { authority, cluster } => (authority, cluster.as_bytes()),
            Destination::Overflow => (OVERFLOW, OVERFLOW),
        };
        let namespace = match direction {
            Direction::Inbound => workload.namespace.as_str(),
            Direction::Outbound => namespace_of(to).unwrap_or_default(),
        };
        let service_namespace = match to {
            Destination::Service(service) => &service.namespace,
            _ => namespace,
        };
        let namespace = match (direction, namespace) {
            // Istio says where the service is as long as no peer says where the workload is.
            (Direction::Outbound, "") => service_namespace,
            _ => namespace,
        };
        self.known("destination_workload", &workload.name);
        self.known("destination_workload_namespace", namespace);
        self.known("destination_principal", principal);
        self.known("destination_app", &workload.app);
        self.known("destination_version", &workload.version);
        self.known_bytes("destination_service", service);
        self.known("destination_canonical_service", &workload.canonical_service);
        self.revision("destination_canonical_revision", workload);
        self.known_bytes("destination_service_name", name);
        self.known("destination_service_namespace", service_namespace);
        self.known("destination_cluster", &workload.cluster);
    }

    fn end(
        mut self,
        direction: Direction,
        flags: ResponseFlags,
        parties: Option<&Parties>,
    ) -> String {
        self.show("response_flags", flags);
        // A client does not say it, as in Istio.
        let policy = match (direction, parties) {
            (Direction::Outbound, _) => UNKNOWN,
            (Direction::Inbound, Some(_)) => "mutual_tls",
            (Direction::Inbound, None) => "none",
        };
        self.add("connection_security_policy", policy);
        self.0
    }

    fn revision(&mut self, name: &str, workload: &Workload) {
        let revision = workload.canonical_revision.as_str();
        self.add(
            name,
            if revision.is_empty() {
                "latest"
            } else {
                revision
            },
        );
    }

    fn known(&mut self, name: &str, value: &str) {
        self.add(name, if value.is_empty() { UNKNOWN } else { value });
    }

    fn known_bytes(&mut self, name: &str, value: &[u8]) {
        self.known(name, &String::from_utf8_lossy(value));
    }

    /// Adds a label, escaped as OpenMetrics demands it. Other control characters are not
    /// forbidden there, but nobody wants them on a screen.
    fn add(&mut self, name: &str, value: &str) {
        self.start(name);
        for character in value.chars() {
            match character {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                control if control.is_control() => self.0.push(char::REPLACEMENT_CHARACTER),
                other => self.0.push(other),
            }
        }
        self.0.push('"');
    }

    /// Adds a label of a number or of flags.
    fn show(&mut self, name: &str, value: impl fmt::Display) {
        self.start(name);
        // A String takes every write.
        let _ = write!(self.0, "{value}\"");
    }

    fn start(&mut self, name: &str) {
        let comma = if self.0.is_empty() { "" } else { "," };
        self.0.extend([comma, name, "=\""]);
    }
}

/// The namespace of a service of the cluster: NAME.NAMESPACE.svc.DOMAIN.
fn namespace_of(to: Destination<'_>) -> Option<&str> {
    let Destination::Host(host) = to else {
        return None;
    };
    let mut parts = host.split('.').skip(1);
    let namespace = parts.next()?;
    (parts.next() == Some("svc")).then_some(namespace)
}

#[cfg(test)]
mod tests;
