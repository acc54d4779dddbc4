//! Providers of the kind `opentelemetry`.

use serde_json::Value;

use super::common::{Common, Fault, headers, path};
use crate::{
    discovery::convert::fields::{duration, fields, of_field, text_of},
    model::{CollectorProtocol, Delivery, OpenTelemetry, TracingProvider},
};

/// Reads a provider.
pub(super) fn opentelemetry(value: &Value) -> Result<TracingProvider, Fault> {
    let (mut common, mut otlp) = (Common::default(), OpenTelemetry::default());
    let (mut by_http, mut by_grpc) = (false, false);
    for (name, value) in fields(value)? {
        let read = match name.as_str() {
            "http" => {
                by_http = true;
                http(value, &mut otlp)
            }
            "grpc" => {
                by_grpc = true;
                grpc(value, &mut otlp.delivery)
            }
            _ => common.read(&name, value),
        };
        read.map_err(|fault| fault.in_field(&name))?;
    }
    if by_http && by_grpc {
        let fault = "http and grpc can't be set together: the collector's port speaks one of them";
        return Err(Fault::Wrong(fault.to_owned()));
    }
    Ok(common.finish(CollectorProtocol::OpenTelemetry(otlp))?)
}

/// Reads how spans are sent by HTTP.
fn http(value: &Value, otlp: &mut OpenTelemetry) -> Result<(), Fault> {
    let mut path = "";
    for (name, value) in fields(value)? {
        match name.as_str() {
            "path" => path = of_field("path", text_of(value))?,
            _ => delivery(&name, value, "headers", &mut otlp.delivery)?,
        }
    }
    otlp.path = Some(of_field("path", self::path(path))?);
    Ok(())
}

/// Reads how spans are sent by gRPC.
fn grpc(value: &Value, of_grpc: &mut Delivery) -> Result<(), Fault> {
    for (name, value) in fields(value)? {
        delivery(&name, value, "initialMetadata", of_grpc)?;
    }
    Ok(())
}

/// Reads a field of how messages are sent, whose headers have this name.
fn delivery(
    name: &str,
    value: &Value,
    headers: &str,
    delivery: &mut Delivery,
) -> Result<(), Fault> {
    if name == "timeout" {
        delivery.timeout = Some(of_field(name, duration(value))?);
    } else if name == headers {
        let read = self::headers(value).map_err(|fault| fault.in_field(name))?;
        delivery.headers = read;
    } else {
        return Err(Fault::NotBuilt(name.to_owned()));
    }
    Ok(())
}
