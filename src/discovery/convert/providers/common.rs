//! What providers of both kinds have.

use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::{
    discovery::convert::fields::{field, number, text_of},
    model::{CollectorProtocol, ServiceAddress, TracingProvider},
};

/// Where a collector is, and what is true of any.
#[derive(Default)]
pub(super) struct Common<'a> {
    service: &'a str,
    port: u16,
    max_path_length: Option<u32>,
}

impl<'a> Common<'a> {
    /// Reads a field; says whether it is one of these.
    pub fn read(&mut self, name: &str, value: &'a Value) -> Result<bool, String> {
        match name {
            "service" => self.service = text_of(value)?,
            "port" => self.port = number(value)?,
            "maxTagLength" => {
                let length: u32 = number(value)?;
                self.max_path_length = (length > 0).then_some(length);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The collector, if it is known where it is.
    pub fn finish(self, protocol: CollectorProtocol) -> Result<TracingProvider, String> {
        // `[NAMESPACE/]HOST`
        let service = self.service.to_ascii_lowercase();
        let (namespace, host) = match service.split_once('/') {
            Some((namespace, host)) => (Some(namespace), host),
            None => (None, &*service),
        };
        if host.is_empty() {
            return Err("service: must be set".to_owned());
        }
        if self.port == 0 {
            return Err("port: must be a number from 1 to 65535".to_owned());
        }
        Ok(TracingProvider {
            service: ServiceAddress {
                namespace: namespace.map(Into::into),
                host: host.into(),
                port: self.port,
            },
            protocol,
            max_path_length: self.max_path_length,
        })
    }
}

/// A path of an HTTP server.
pub(super) fn path(path: &str) -> Result<Arc<str>, String> {
    let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    is_path
        .then(|| path.into())
        .ok_or_else(|| format!("must begin with / and have no spaces, not {path:?}"))
}

/// Names in lower case, and values.
type Headers = Vec<(Arc<str>, Arc<str>)>;

/// Reads headers; `None`, if the value of one is not given, but is that of a variable of Istio's
/// control plane.
pub(super) fn headers(value: &Value) -> Result<Option<Headers>, String> {
    let Some(elements) = value.as_array() else {
        return Err(format!("must be a list, not {value}"));
    };
    let mut headers = Vec::new();
    for element in elements {
        let of = |name| field(element, name).map(text_of).transpose();
        let name = of("name")?.unwrap_or_default();
        let Some(value) = of("value")? else {
            return Ok(None);
        };
        if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
            return Err(format!("{name:?} is no header, or its value can't be one"));
        }
        headers.push((name.to_ascii_lowercase().into(), value.into()));
    }
    Ok(Some(headers))
}
