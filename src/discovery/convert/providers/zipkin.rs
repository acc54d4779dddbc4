//! Providers of the kind `zipkin`.

use serde_json::Value;

use super::common::{Common, Fault, headers, path};
use crate::{
    discovery::convert::fields::{duration, fields, flag, text_of},
    model::{CollectorProtocol, TracingProvider, Zipkin},
};

/// Reads a provider.
pub(super) fn zipkin(value: &Value) -> Result<TracingProvider, Fault> {
    let (mut common, mut zipkin) = (Common::default(), Zipkin::default());
    for (name, value) in fields(value)? {
        let read = read_zipkin(&mut common, &mut zipkin, &name, value);
        read.map_err(|fault| fault.in_field(&name))?;
    }
    Ok(common.finish(CollectorProtocol::Zipkin(zipkin))?)
}

/// Reads a field.
fn read_zipkin<'a>(
    common: &mut Common<'a>,
    zipkin: &mut Zipkin,
    name: &str,
    value: &'a Value,
) -> Result<(), Fault> {
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
                return Err(Fault::Wrong(format!("must be {wanted}, not {other:?}")));
            }
        },
        "timeout" => zipkin.delivery.timeout = Some(duration(value)?),
        "headers" => zipkin.delivery.headers = headers(value)?,
        _ => return common.read(name, value),
    }
    Ok(())
}
