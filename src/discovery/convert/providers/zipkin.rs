//! Providers of the kind `zipkin`.

use serde_json::Value;

use super::common::{Common, headers, path};
use crate::{
    discovery::convert::fields::{duration, fields, flag, of_field, text_of},
    model::{CollectorProtocol, TracingProvider, Zipkin},
};

/// Reads a provider; `None` if it asks for what is not built.
pub(super) fn zipkin(value: &Value) -> Result<Option<TracingProvider>, String> {
    let (mut common, mut zipkin) = (Common::default(), Zipkin::default());
    for (name, value) in fields(value)? {
        let read = read_zipkin(&mut common, &mut zipkin, &name, value);
        if !of_field(&name, read)? {
            return Ok(None);
        }
    }
    let protocol = CollectorProtocol::Zipkin(zipkin);
    common.finish(protocol).map(Some)
}

/// Reads a field; says whether it is built.
fn read_zipkin<'a>(
    common: &mut Common<'a>,
    zipkin: &mut Zipkin,
    name: &str,
    value: &'a Value,
) -> Result<bool, String> {
    match name {
        "path" => match text_of(value)? {
            "" => {}
            path => zipkin.path = self::path(path)?,
        },
        "enable64bitTraceId" => zipkin.short_trace_ids = flag(value)?,
        "traceContextOption" => match text_of(value)? {
            "USE_B3" => zipkin.with_w3c = false,
            "USE_B3_WITH_W3C_PROPAGATION" => zipkin.with_w3c = true,
            other => {
                let wanted = "USE_B3 or USE_B3_WITH_W3C_PROPAGATION";
                return Err(format!("must be {wanted}, not {other:?}"));
            }
        },
        "timeout" => zipkin.delivery.timeout = Some(duration(value)?),
        "headers" => match headers(value)? {
            Some(headers) => zipkin.delivery.headers = headers,
            None => return Ok(false),
        },
        _ => return common.read(name, value),
    }
    Ok(true)
}
