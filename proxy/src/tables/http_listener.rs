//! What a listener does with HTTP.

use std::sync::Arc;

use super::{ClientCert, Hosts, Tracing};

/// What a listener does with HTTP.
#[derive(Debug, Clone)]
pub(crate) struct HttpListener {
    pub hosts: Arc<Hosts>,
    /// `None` if no request is traced.
    pub tracing: Option<Arc<Tracing>>,
    /// What requests say of their client's certificate.
    pub client_cert: ClientCert,
}

impl HttpListener {
    /// With that table, and nothing else.
    pub fn new(hosts: Arc<Hosts>) -> Self {
        Self {
            hosts,
            tracing: None,
            client_cert: ClientCert::default(),
        }
    }
}
