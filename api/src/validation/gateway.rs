//! `Gateway`.

use std::{collections::HashSet, net::IpAddr};

use super::{limits, names};
use crate::{GatewayPort, GatewaySpec, Metadata, Server, findings::Findings, path::shortened};

/// Protocols whose requests are routed.
const HTTP: [&str; 4] = ["HTTP", "HTTP2", "GRPC", "GRPC-WEB"];
/// Protocols whose connections are routed.
const TCP: [&str; 4] = ["TCP", "MONGO", "REDIS", "MYSQL"];

/// Validates a `Gateway`.
pub(crate) fn gateway(findings: &mut Findings, metadata: &Metadata, spec: &GatewaySpec) {
    if !metadata.name.is_empty() && !names::is_label(&metadata.name) {
        findings.fault("the name of a Gateway (metadata.name) must be a DNS label, without dots");
    }
    if spec.servers.is_empty() {
        findings.at("servers", |findings| {
            findings.fault("must have at least one server");
        });
    }
    findings.at("servers", |findings| {
        limits::count(findings, spec.servers.len(), limits::SERVERS);
    });
    names::labels(findings, "selector", &spec.selector);
    let mut seen = HashSet::new();
    findings.each("servers", &spec.servers, |findings, server| {
        port(findings, &server.port);
        if !server.port.name.is_empty() && !seen.insert(&server.port.name) {
            let message = "another server's port has this name already";
            findings.at("port", |findings| {
                findings.at("name", |findings| findings.fault(message));
            });
        }
        hosts(findings, server);
        tls(findings, server);
    });
}

/// The port of a server.
fn port(findings: &mut Findings, port: &GatewayPort) {
    findings.at("port", |findings| {
        findings.at("number", |findings| names::port(findings, port.number));
        findings.at("name", |findings| {
            if port.name.is_empty() {
                findings.fault("must be set");
            }
        });
        findings.at("protocol", |findings| {
            match port.protocol.to_ascii_uppercase().as_str() {
                name if HTTP.contains(&name) || TCP.contains(&name) => {}
                name => findings.fault(format!(
                    "must be one of {} and {}, not {:?}",
                    HTTP.join(", "),
                    TCP.join(", "),
                    shortened(name)
                )),
            }
        });
    });
}

/// The hosts of a server: `[namespace/]name`.
fn hosts(findings: &mut Findings, server: &Server) {
    if server.hosts.is_empty() {
        findings.at("hosts", |findings| {
            findings.fault("must have at least one host; `*` is all of them");
        });
    }
    findings.at("hosts", |findings| {
        limits::count(findings, server.hosts.len(), limits::HOSTS);
    });
    findings.each("hosts", &server.hosts, |findings, entry| {
        let (namespace, host) = entry
            .split_once('/')
            .map_or((None, entry.as_str()), |(namespace, host)| {
                (Some(namespace), host)
            });
        if namespace.is_some_and(|namespace| {
            namespace != "*" && namespace != "." && !names::is_label(namespace)
        }) {
            findings
                .fault("the part in front of `/` must be a namespace, `.` (this one) or `*` (all)");
        }
        if host != "*" && !host.contains('.') && host.parse::<IpAddr>().is_err() {
            findings.fault(format!(
                "{:?} must be a full DNS name, such as bookinfo.example.com, or `*`",
                shortened(host)
            ));
        } else if host.starts_with('*') && host != "*" && !host.starts_with("*.") {
            findings.fault("a wildcard must be a whole label: `*.example.com`");
        } else if host.parse::<IpAddr>().is_err() {
            names::host(findings, host);
        }
    });
}

/// TLS of a server, of which only the redirect to HTTPS is built. Servers that ask for more are refused before.
fn tls(findings: &mut Findings, server: &Server) {
    let is_http = HTTP.contains(&server.port.protocol.to_ascii_uppercase().as_str());
    findings.some("tls", server.tls.as_ref(), |findings, tls| {
        if tls.https_redirect && !is_http {
            findings.at("httpsRedirect", |findings| {
                findings.fault("is only for servers whose protocol is HTTP");
            });
        }
    });
}
