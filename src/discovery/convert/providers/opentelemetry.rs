//! Providers of the kind `opentelemetry`.

use serde_json::Value;

use super::common::{Common, headers, path};
use crate::{
    discovery::convert::fields::{duration, field, fields, of_field, text_of},
    model::{CollectorProtocol, Delivery, OpenTelemetry, TracingProvider},
};

/// Reads a provider; `None` if it asks for what is not built.
pub(super) fn opentelemetry(value: &Value) -> Result<Option<TracingProvider>, String> {
    let (mut common, mut otlp) = (Common::default(), OpenTelemetry::default());
    for (name, value) in fields(value)? {
        let is_built = match name.as_str() {
            "http" => {
                let path = field(value, "path").map(text_of).transpose();
                let path = of_field("http.path", path)?.unwrap_or_default();
                otlp.path = Some(of_field("http.path", self::path(path))?);
                let delivery = delivery(value, "headers", &mut otlp.delivery);
                of_field("http", delivery)?
            }
            "grpc" => {
                let delivery = delivery(value, "initialMetadata", &mut otlp.delivery);
                of_field("grpc", delivery)?
            }
            _ => of_field(&name, common.read(&name, value))?,
        };
        if !is_built {
            return Ok(None);
        }
    }
    let protocol = CollectorProtocol::OpenTelemetry(otlp);
    common.finish(protocol).map(Some)
}

/// Reads how messages are sent; says whether that is built.
fn delivery(value: &Value, headers: &str, delivery: &mut Delivery) -> Result<bool, String> {
    if let Some(timeout) = field(value, "timeout") {
        delivery.timeout = Some(of_field("timeout", duration(timeout))?);
    }
    if let Some(value) = field(value, headers) {
        match of_field(headers, self::headers(value))? {
            Some(headers) => delivery.headers = headers,
            None => return Ok(false),
        }
    }
    Ok(true)
}
