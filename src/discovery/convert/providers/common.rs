//! What providers of both kinds have.

use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::{
    discovery::convert::fields::{field, number, of_field, port, text_of},
    model::{CollectorProtocol, ServiceAddress, TracingProvider},
};

/// Why a provider can't be used.
pub(super) enum Fault {
    /// Something is wrong.
    Wrong(String),
    /// It asks for what is not built: what, for messages.
    NotBuilt(String),
}

impl From<String> for Fault {
    fn from(fault: String) -> Self {
        Self::Wrong(fault)
    }
}

impl Fault {
    /// The same fault, seen from the map that has the faulty one as its field.
    pub fn in_field(self, name: &str) -> Self {
        match self {
            Self::Wrong(fault) => Self::Wrong(format!("{name}: {fault}")),
            Self::NotBuilt(what) if what.is_empty() => Self::NotBuilt(name.to_owned()),
            Self::NotBuilt(what) => Self::NotBuilt(format!("{name}.{what}")),
        }
    }
}

/// Where a collector is, and what is true of any.
#[derive(Default)]
pub(super) struct Common<'a> {
    service: &'a str,
    port: u16,
    max_path_length: Option<u32>,
}

impl<'a> Common<'a> {
    /// Reads a field. One that is none of these is not built.
    pub fn read(&mut self, name: &str, value: &'a Value) -> Result<(), Fault> {
        match name {
            "service" => self.service = text_of(value)?,
            "port" => self.port = port(value)?,
            "maxTagLength" => {
                let length = number(value)?;
                self.max_path_length = (length > 0).then_some(length);
            }
            _ => return Err(Fault::NotBuilt(String::new())),
        }
        Ok(())
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
            return Err("port: must be set to a number from 1 to 65535".to_owned());
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

/// Reads headers. One whose value is that of a variable of Istio's control plane is not built.
pub(super) fn headers(value: &Value) -> Result<Headers, Fault> {
    let Some(elements) = value.as_array() else {
        return Err(Fault::Wrong(format!("must be a list, not {value}")));
    };
    let mut headers = Vec::new();
    for element in elements {
        let of = |name| of_field(name, field(element, name).map(text_of).transpose());
        let name = of("name")?.unwrap_or_default();
        let value = match of("value")? {
            Some(value) => value,
            None if field(element, "envName").is_some() => {
                return Err(Fault::NotBuilt("envName".to_owned()));
            }
            None => return Err(Fault::Wrong(format!("{name:?} has no value"))),
        };
        if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
            let fault = format!("{name:?} is no header, or its value can't be one");
            return Err(Fault::Wrong(fault));
        }
        headers.push((name.to_ascii_lowercase().into(), value.into()));
    }
    Ok(headers)
}
