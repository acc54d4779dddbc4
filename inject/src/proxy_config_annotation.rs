//! The annotation `proxy.istio.io/config`.

use serde_json::Value;

use crate::{
    config::proxy_config::{ProxyConfig, WHEN_UNREACHABLE},
    fault::Fault,
    value_checks::Invalid,
    yaml,
};

/// Scalars, lists and mappings of a ProxyConfig; the largest known has a few hundred.
const MAX_NODES: usize = 4096;
/// How many variables a pod may add to the proxy and the init container.
const MAX_VARIABLES: usize = 256;

/// Reads the annotation.
pub(crate) fn parse(text: &str) -> Result<ProxyConfig, Invalid> {
    let config = match yaml::parse_bounded(text, MAX_NODES).map_err(|error| error.to_string())? {
        Value::Null => ProxyConfig::default(),
        value => ProxyConfig::new(&value).map_err(|faults| {
            let faults: Vec<_> = faults.iter().map(Fault::to_string).collect();
            faults.join(", ")
        })?,
    };
    if config.has(WHEN_UNREACHABLE) {
        let reason = "is for the whole mesh: set it in the MeshConfig's defaultConfig";
        return Err(format!("{WHEN_UNREACHABLE} {reason}").into());
    }
    let variables = config.proxy_metadata().count();
    if variables > MAX_VARIABLES {
        return Err(format!(
            "proxyMetadata has {variables} entries, and at most {MAX_VARIABLES} are taken"
        )
        .into());
    }
    Ok(config)
}

/// Checks the annotation.
pub(crate) fn check(value: &str) -> Result<(), Invalid> {
    match parse(value) {
        Ok(_) => Ok(()),
        Err(invalid) => Err(format!("not a ProxyConfig: {invalid}").into()),
    }
}
