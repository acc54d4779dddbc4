//! The arguments of a proxy.

use pillion_telemetry::{Format, LevelFilter};

const AFTER_HELP: &str = "\
The environment is that of Istio's proxy: PROXY_CONFIG (ProxyConfig as JSON), ISTIO_KUBE_APP_PROBERS, EXIT_ON_ZERO_ACTIVE_CONNECTIONS and others.";

/// Arguments of `pillion-proxy sidecar` and `pillion-proxy gateway`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The DNS domain of the pod's namespace, such as shop.svc.cluster.local.
    #[arg(long, default_value = "")]
    pub(crate) domain: String,
    /// What is logged: off, error, warn(ing), info, debug or trace. RUST_LOG says it in more detail.
    #[arg(long, default_value = "info", value_name = "LEVEL", value_parser = level)]
    pub(crate) log_level: LevelFilter,
    /// Taken for compatibility with Istio's proxy; components are named in RUST_LOG here.
    #[arg(long, value_name = "COMPONENT:LEVEL,…")]
    pub(crate) component_log_level: Option<String>,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) log_format: Format,
    /// The port of the kubelet's checks and of merged metrics.
    #[arg(long, default_value_t = 15020, value_name = "PORT")]
    pub(crate) status_port: u16,
}

/// A level by Rust's name or by Envoy's.
pub(super) fn level(name: &str) -> Result<LevelFilter, String> {
    match name {
        "off" => Ok(LevelFilter::OFF),
        "error" | "critical" => Ok(LevelFilter::ERROR),
        "warn" | "warning" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err("must be off, error, warn, info, debug or trace".to_owned()),
    }
}
