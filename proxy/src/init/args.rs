//! The flags: those of `istio-iptables`, each with its variable.

use std::time::Duration;

use clap::ValueEnum;

use super::values::{Cidr, Id, Interface, List, Mode, Port, Selection, boolean, duration};

/// Which programs of iptables to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ForcedBinary {
    /// iptables-legacy.
    Legacy,
    /// iptables-nft.
    Nft,
}

/// Capture the pod's traffic: write the rules that take it to the proxy, then prove them.
///
/// The flags are those of `istio-iptables`. Each can be set by a variable, too; the last
/// one given counts.
#[derive(Debug, Clone, clap::Args)]
#[command(
    args_override_self = true,
    after_help = "Further variables: ENVOY_USER (the name of the proxy's user), ISTIO_OUTBOUND_OWNER_GROUPS and \
                  ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE (whose traffic is captured, by group), \
                  ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR (what counts as loopback), ISTIO_META_DNS_CAPTURE, INVALID_DROP and \
                  ISTIO_DUAL_STACK (other names of REDIRECT_DNS, DROP_INVALID and DUAL_STACK).\n\n\
                  Exit codes: 0 done, 1 failed, 2 wrong usage, 126 the rules are in place and capture doesn't work."
)]
pub struct Args {
    /// The proxy's port for outbound traffic.
    #[arg(short = 'p', long, value_name = "PORT", default_value = "15001")]
    pub envoy_port: Port,
    /// The proxy's port for inbound traffic.
    #[arg(short = 'z', long, env, value_name = "PORT", default_value = "15006")]
    pub inbound_capture_port: Port,
    /// A port of the proxy that peers connect to directly.
    #[arg(short = 'e', long, env, value_name = "PORT", default_value = "15008")]
    pub inbound_tunnel_port: Port,
    /// The proxy's users, whose traffic passes: numbers with commas. By default ENVOY_USER's, or 1337.
    #[arg(
        short = 'u',
        long,
        env,
        value_name = "UIDS",
        default_value = "",
        hide_default_value = true
    )]
    pub proxy_uid: List<Id>,
    /// The proxy's groups, whose traffic passes: numbers with commas. By default the same as --proxy-uid.
    #[arg(
        short = 'g',
        long,
        env,
        value_name = "GIDS",
        default_value = "",
        hide_default_value = true
    )]
    pub proxy_gid: List<Id>,
    /// How inbound traffic is captured: REDIRECT (TPROXY is not supported yet).
    #[arg(
        short = 'm',
        long,
        env,
        value_name = "MODE",
        default_value = "REDIRECT"
    )]
    pub istio_inbound_interception_mode: Mode,
    /// The ports whose inbound traffic is captured, with commas: `*` for all, empty for none.
    #[arg(
        short = 'b',
        long,
        env,
        value_name = "PORTS",
        default_value = "",
        hide_default_value = true
    )]
    pub istio_inbound_ports: Selection<Port>,
    /// The ports whose inbound traffic passes, with commas; it counts when --istio-inbound-ports is `*`.
    #[arg(
        short = 'd',
        long,
        env,
        value_name = "PORTS",
        default_value = "",
        hide_default_value = true
    )]
    pub istio_local_exclude_ports: List<Port>,
    /// The network interfaces on which nothing is captured, with commas.
    #[arg(
        short = 'c',
        long,
        env,
        value_name = "NAMES",
        default_value = "",
        hide_default_value = true
    )]
    pub istio_exclude_interfaces: List<Interface>,
    /// The ranges to which outbound traffic is captured, with commas: `*` for all, empty for none.
    #[arg(
        short = 'i',
        long,
        env,
        value_name = "CIDRS",
        default_value = "",
        hide_default_value = true
    )]
    pub istio_service_cidr: Selection<Cidr>,
    /// The ranges to which outbound traffic passes, with commas.
    #[arg(
        short = 'x',
        long,
        env,
        value_name = "CIDRS",
        default_value = "",
        hide_default_value = true
    )]
    pub istio_service_exclude_cidr: List<Cidr>,
    /// The ports to which outbound traffic is captured wherever it goes, with commas.
    #[arg(
        short = 'q',
        long,
        env,
        value_name = "PORTS",
        default_value = "",
        hide_default_value = true
    )]
    pub istio_outbound_ports: List<Port>,
    /// The ports to which outbound traffic passes, with commas.
    #[arg(
        short = 'o',
        long,
        env,
        value_name = "PORTS",
        default_value = "",
        hide_default_value = true
    )]
    pub istio_local_outbound_ports_exclude: List<Port>,
    /// The virtual interfaces whose inbound traffic (of a VM) is treated as outbound, with commas.
    #[arg(
        short = 'k',
        long,
        env,
        value_name = "NAMES",
        default_value = "",
        hide_default_value = true
    )]
    pub kube_virt_interfaces: List<Interface>,
    /// Of TPROXY; without effect.
    #[arg(short = 't', long, env, value_name = "MARK", default_value = "1337")]
    pub istio_inbound_tproxy_mark: Id,
    /// Of TPROXY; without effect.
    #[arg(short = 'r', long, env, value_name = "TABLE", default_value = "133")]
    pub istio_inbound_tproxy_route_table: Id,
    /// Print the documents for iptables-restore, and change nothing.
    #[arg(short = 'n', long, env, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub dry_run: bool,
    /// The port that the proof connects to.
    #[arg(long, env, value_name = "PORT", default_value = "15002")]
    pub iptables_probe_port: Port,
    /// How long the proof may take.
    #[arg(long, env, value_name = "DURATION", value_parser = duration, default_value = "5s")]
    pub probe_timeout: Duration,
    /// Change no rules; only prove that those in place work.
    #[arg(long, env, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub skip_rule_apply: bool,
    /// Prove by a connection that capture works.
    #[arg(long, env, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    pub run_validation: bool,
    /// Not supported yet.
    #[arg(long, env, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub redirect_dns: Option<bool>,
    /// Not supported yet.
    #[arg(long, env, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub capture_all_dns: bool,
    /// Drop packets of connections that the kernel doesn't know, instead of resetting them.
    #[arg(long, env, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub drop_invalid: Option<bool>,
    /// Capture IPv6 beside IPv4 where the pod has addresses of both.
    #[arg(long, env, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub dual_stack: Option<bool>,
    /// Not supported: init works in the network namespace that it runs in.
    #[arg(
        long,
        env,
        value_name = "PATH",
        default_value = "",
        hide_default_value = true
    )]
    pub network_namespace: String,
    /// Not supported.
    #[arg(long, env, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub cni_mode: bool,
    /// Replace rules of an earlier run that differ, instead of failing.
    #[arg(long, env, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub reconcile: bool,
    /// Remove the rules of an earlier run, and write none.
    #[arg(long, env, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub cleanup_only: bool,
    /// Write the rules anew even when they are in place.
    #[arg(long, env, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub force_apply: bool,
    /// Not supported: rules are written by the programs of iptables.
    #[arg(long, env, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub native_nftables: bool,
    /// Which programs of iptables to use, instead of those that fit the pod.
    #[arg(long, env, value_name = "BINARY")]
    pub force_iptables_binary: Option<ForcedBinary>,
}
