//! Gateways.

use std::sync::Arc;

use pillion_api::GatewaySpec;

use crate::model::{
    objects::{Labels, Meta, Object},
    protocol::Protocol,
};

/// A Gateway.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct Gateway {
    /// Its name and age.
    pub meta: Meta,
    /// Its name as VirtualServices resolve it, `NAMESPACE/NAME`.
    pub name: Arc<str>,
    /// The labels of the gateways' pods, in whichever namespace; none: all gateways.
    pub selector: Labels,
    /// The servers.
    pub servers: Vec<Server>,
}

/// A server of a Gateway.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct Server {
    /// The port of the gateway's Service.
    pub port: u16,
    /// What is spoken there.
    pub protocol: Protocol,
    /// The hosts.
    pub hosts: Vec<ServerHost>,
    /// Whether clients are told to use HTTPS.
    pub https_redirect: bool,
}

/// A host of a server, and the VirtualServices that may use it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct ServerHost {
    /// The host, in lower case.
    pub host: Arc<str>,
    /// The namespace of the VirtualServices; all, if `None`.
    pub namespace: Option<Arc<str>>,
}

impl Gateway {
    /// Reads an object.
    pub fn new(object: &Object<GatewaySpec>) -> Self {
        let namespace = &object.meta.key.namespace;
        let servers = object.spec.servers.iter().map(|server| Server {
            port: server.port.number,
            protocol: Protocol::of_name(&server.port.protocol),
            hosts: {
                let hosts = server.hosts.iter();
                hosts
                    .map(|host| ServerHost::parse(host, namespace))
                    .collect()
            },
            https_redirect: server.tls.as_ref().is_some_and(|tls| tls.https_redirect),
        });
        Self {
            meta: object.meta.clone(),
            name: object.meta.key.to_string().into(),
            selector: object.spec.selector.clone().into_iter().collect(),
            servers: servers.collect(),
        }
    }
}

impl ServerHost {
    /// Reads `[NAMESPACE/]HOST` of a Gateway in `own`. The namespace is `*` where it is not
    /// given, and `.` is the Gateway's own.
    fn parse(text: &str, own: &Arc<str>) -> Self {
        let (namespace, host) = text.split_once('/').unwrap_or(("*", text));
        Self {
            host: host.to_ascii_lowercase().into(),
            namespace: match namespace {
                "*" => None,
                "." => Some(Arc::clone(own)),
                name => Some(name.into()),
            },
        }
    }

    /// Whether VirtualServices in `namespace` may use the host.
    pub fn admits(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|own| own == namespace)
    }
}
