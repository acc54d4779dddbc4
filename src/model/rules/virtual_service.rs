//! VirtualServices.

use std::sync::Arc;

use pillion_api::VirtualServiceSpec;

use super::{
    http::{HttpAction, HttpRule, Target},
    tcp::TcpRule,
    weight::{Weight, of_tcp},
};
use crate::model::{
    names::{MESH_GATEWAY, resolve_gateway, resolve_host},
    objects::{ExportTo, MeshConfig, Meta, Object},
};

/// A VirtualService.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct VirtualService {
    /// Its name and age.
    pub meta: Meta,
    /// The hosts, in lower case.
    pub hosts: Vec<Arc<str>>,
    /// The gateways, `mesh` or `NAMESPACE/NAME`.
    pub gateways: Vec<Arc<str>>,
    /// For whose clients it is.
    pub export_to: ExportTo,
    /// The rules for HTTP.
    pub http: Vec<HttpRule>,
    /// The rules for TCP.
    pub tcp: Vec<TcpRule>,
    /// How much the rules for TCP are at a listener.
    pub tcp_weight: Weight,
}

impl VirtualService {
    /// Reads an object.
    pub fn new(object: &Object<VirtualServiceSpec>, mesh: &MeshConfig) -> Self {
        let domain = &*mesh.domain;
        let spec = &object.spec;
        let namespace = &*object.meta.key.namespace;
        let resolve = |host: &String| resolve_host(host, namespace, domain);
        let gateways = spec.gateways.iter();
        let mut gateways: Vec<_> = gateways
            .map(|gateway| resolve_gateway(gateway, namespace))
            .collect();
        if gateways.is_empty() {
            gateways.push(MESH_GATEWAY.into());
        }
        let http = spec.http.iter();
        let http: Vec<_> = http
            .map(|rule| HttpRule::new(rule, namespace, domain))
            .collect();
        let tcp = spec.tcp.iter();
        let tcp: Vec<_> = tcp
            .map(|rule| TcpRule::new(rule, namespace, domain))
            .collect();
        Self {
            meta: object.meta.clone(),
            hosts: spec.hosts.iter().map(resolve).collect(),
            gateways,
            export_to: ExportTo::of(&spec.export_to, &mesh.exports.virtual_services, namespace),
            tcp_weight: of_tcp(&tcp),
            http,
            tcp,
        }
    }

    /// Where its routes send requests and connections.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        let http = self.http.iter().flat_map(|rule| match &rule.action {
            HttpAction::Forward { targets, .. } => targets.as_slice(),
            HttpAction::Redirect(_) | HttpAction::Respond(_) => &[],
        });
        let tcp = self.tcp.iter().flat_map(|rule| &rule.targets);
        http.map(|(target, _)| target).chain(tcp)
    }

    /// Whether sidecars apply it.
    pub fn is_for_mesh(&self) -> bool {
        self.is_for_gateway(MESH_GATEWAY)
    }

    /// Whether a gateway applies it. A match's own gateways choose among these.
    pub fn is_for_gateway(&self, gateway: &str) -> bool {
        self.gateways.iter().any(|name| **name == *gateway)
    }
}
