//! The environment of the proxy's container.

use std::{
    env, fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZero,
    sync::Arc,
    thread::available_parallelism,
    time::Duration,
};

use crate::{
    config::WhenUnreachable,
    identity::TrustDomains,
    records::{AccessLogConfig, Workload},
};

use super::{
    app_probes::AppProbes,
    drain::DrainTimes,
    proxy_config::{ProxyConfig, duration},
    scrape::{self, ScrapeTarget},
};

/// Workers where neither ProxyConfig nor a CPU limit says how many, as in Istio.
const DEFAULT_CONCURRENCY: usize = 2;

/// Where the proxy listens besides its status port.
const OWN_PORTS: [u16; 5] = [15000, 15001, 15006, 15021, 15090];

/// What the sidecar is told by its environment.
#[derive(Debug)]
pub(super) struct Environment {
    /// `PROXY_CONFIG`; `PILLION_KEEP_REQUEST_ID`: a gateway's clients choose `x-request-id`.
    pub proxy_config: ProxyConfig,
    /// `ISTIO_CPU_LIMIT`: the container's limit, in cores.
    pub cpu_limit: Option<usize>,
    /// `EXIT_ON_ZERO_ACTIVE_CONNECTIONS`: end once the last connection has.
    pub exit_on_zero_active_connections: bool,
    /// `MINIMUM_DRAIN_DURATION`: how long to wait before connections are counted.
    pub minimum_drain_duration: Duration,
    /// `ISTIO_KUBE_APP_PROBERS`: what the kubelet asks of the application by way of the proxy.
    pub app_probes: Arc<AppProbes>,
    /// Where these ask: the pod's address (`INSTANCE_IP`), or the loopback address of its
    /// family if `REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION` says so.
    pub probe_address: IpAddr,
    /// `ISTIO_PROMETHEUS_ANNOTATIONS`: where the application shows its metrics.
    pub scrape_targets: Vec<ScrapeTarget>,
    /// Who the workload is, for metrics.
    pub workload: Workload,
    /// `PILLION_ACCESS_LOG`: the mesh's access log, if it has one.
    pub access_log: Option<AccessLogConfig>,
    /// `ISTIO_META_HTTP10`: take HTTP/1.0 from clients of the application, as Istio's node
    /// metadata `HTTP10` says.
    pub accepts_http10: bool,
    /// `PILLION_PROTOCOL_DETECTION_TIMEOUT`: how long a client may be silent before its
    /// connection is taken for TCP; 0 means for ever.
    pub detection_timeout: Duration,
    /// The control plane. `PILLION_DISCOVERY=none`: there is none.
    pub discovery: Option<Discovery>,
    /// `TRUST_DOMAIN`, and `PILLION_TRUST_DOMAIN_ALIASES` separated by commas: whose identities the
    /// mesh's are.
    pub trust_domains: TrustDomains,
}

/// The control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Discovery {
    /// `HOST:PORT`: the ProxyConfig's `discoveryAddress`, or that of the CA, which is the same
    /// server.
    pub address: String,
    /// `PILLION_WHEN_UNREACHABLE`: what is done before it has answered for the first time.
    pub when_unreachable: WhenUnreachable,
}

/// The control plane where nobody says which one.
const DISCOVERY: &str = "pillion-discovery.istio-system.svc:15012";

/// The most trust domains besides the own one.
const MAX_ALIASES: usize = 64;

/// Where the injector mounts the pod's labels.
pub(super) const LABELS_FILE: &str = "/etc/istio/pod/labels";

impl Environment {
    /// Reads the process's own, and logs what can't be read.
    pub fn of_process(status_port: u16) -> Self {
        let labels = fs::read_to_string(LABELS_FILE).ok();
        let variable = |name: &str| env::var(name).ok();
        let (environment, remarks) = Self::read(variable, labels.as_deref(), status_port);
        for remark in remarks {
            tracing::warn!("{remark}");
        }
        environment
    }

    fn read(
        variable: impl Fn(&str) -> Option<String>,
        labels: Option<&str>,
        status_port: u16,
    ) -> (Self, Vec<String>) {
        let (mut proxy_config, mut remarks) =
            ProxyConfig::parse(&variable("PROXY_CONFIG").unwrap_or_default());
        let (workload, unread) = Workload::new(&variable, labels);
        remarks.extend(unread);
        let mut variables = Variables { variable, remarks };
        let five_seconds = Duration::from_secs(5);
        let probe_address = variables.probe_address();
        let app_probes = variables.app_probes();
        let scrape_targets = variables.scrape_targets(status_port);
        let access_log = variables.access_log();
        let discovery = variables.discovery(&proxy_config);
        let keeps_request_id =
            variables.read("PILLION_KEEP_REQUEST_ID", "true or false", parse_bool);
        proxy_config.edge.keeps_request_id = keeps_request_id.unwrap_or_default();
        let environment = Self {
            proxy_config,
            discovery,
            trust_domains: variables.trust_domains(),
            cpu_limit: variables.read("ISTIO_CPU_LIMIT", "a whole number", |text| {
                text.parse().ok()
            }),
            exit_on_zero_active_connections: variables
                .read(
                    "EXIT_ON_ZERO_ACTIVE_CONNECTIONS",
                    "true or false",
                    parse_bool,
                )
                .unwrap_or_default(),
            minimum_drain_duration: variables
                .read("MINIMUM_DRAIN_DURATION", "a duration such as 5s", duration)
                .unwrap_or(five_seconds),
            app_probes: Arc::new(app_probes),
            probe_address,
            scrape_targets,
            workload,
            access_log,
            accepts_http10: variables
                .read("ISTIO_META_HTTP10", "true or false", parse_bool)
                .unwrap_or_default(),
            detection_timeout: variables
                .read(
                    "PILLION_PROTOCOL_DETECTION_TIMEOUT",
                    "a duration such as 5s",
                    duration,
                )
                .unwrap_or(five_seconds),
        };
        (environment, variables.remarks)
    }

    /// How long connections may go on once the pod is told to end.
    pub fn drain_times(&self) -> DrainTimes {
        if self.exit_on_zero_active_connections {
            DrainTimes::UntilNone(self.minimum_drain_duration)
        } else {
            DrainTimes::AtMost(self.proxy_config.termination_drain_duration)
        }
    }

    /// How many workers there are: as ProxyConfig says (0: one for each core), otherwise as
    /// many as the CPU limit has cores, otherwise two; never more than there are cores.
    pub fn concurrency(&self) -> usize {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let wanted = self.proxy_config.concurrency.or(self.cpu_limit);
        match wanted.unwrap_or(DEFAULT_CONCURRENCY) {
            0 => cores,
            workers => workers.min(cores),
        }
    }
}

/// Variables, and what is wrong with them.
struct Variables<F> {
    variable: F,
    remarks: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn read<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = (self.variable)(name).filter(|text| !text.is_empty())?;
        let value = parse(&text);
        if value.is_none() {
            self.remarks.push(format!(
                "{name} must be {expected}, not {text:?}; the default is used instead"
            ));
        }
        value
    }
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn discovery(&mut self, proxy_config: &ProxyConfig) -> Option<Discovery> {
        let is_none = |text: &str| (text == "none").then_some(());
        if self.read("PILLION_DISCOVERY", "none", is_none).is_some() {
            return None;
        }
        let address = proxy_config.discovery_address.clone();
        let ca = || (self.variable)("CA_ADDR").filter(|address| !address.is_empty());
        let address = address.or_else(ca);
        let when = |text: &str| match text {
            "Refuse" => Some(WhenUnreachable::Refuse),
            "Passthrough" => Some(WhenUnreachable::PassThrough),
            _ => None,
        };
        Some(Discovery {
            address: address.unwrap_or_else(|| DISCOVERY.to_owned()),
            when_unreachable: self
                .read("PILLION_WHEN_UNREACHABLE", "Refuse or Passthrough", when)
                .unwrap_or_default(),
        })
    }

    fn trust_domains(&mut self) -> TrustDomains {
        let names = |text: &str| {
            let names = text.split(',').map(str::trim);
            let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
            (names.len() <= MAX_ALIASES).then(|| names.into_iter().map(str::to_owned).collect())
        };
        let aliases = self.read(
            "PILLION_TRUST_DOMAIN_ALIASES",
            "at most 64 trust domains, separated by commas",
            names,
        );
        TrustDomains {
            own: (self.variable)("TRUST_DOMAIN").filter(|name| !name.is_empty()),
            aliases: aliases.unwrap_or_default(),
        }
    }

    fn probe_address(&mut self) -> IpAddr {
        let pod: Option<IpAddr> =
            self.read("INSTANCE_IP", "an IP address", |text| text.parse().ok());
        let legacy = self.read(
            "REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION",
            "true or false",
            parse_bool,
        );
        match pod {
            Some(pod) if legacy != Some(true) => pod,
            Some(IpAddr::V6(_)) => Ipv6Addr::LOCALHOST.into(),
            _ => Ipv4Addr::LOCALHOST.into(),
        }
    }

    fn scrape_targets(&mut self, status_port: u16) -> Vec<ScrapeTarget> {
        let text = (self.variable)("ISTIO_PROMETHEUS_ANNOTATIONS").unwrap_or_default();
        let own = [&OWN_PORTS[..], &[status_port]].concat();
        scrape::parse(&text, &own).unwrap_or_else(|fault| {
            let remark = format!(
                "ISTIO_PROMETHEUS_ANNOTATIONS: {fault}; the application's metrics are left out"
            );
            self.remarks.push(remark);
            Vec::new()
        })
    }

    fn access_log(&mut self) -> Option<AccessLogConfig> {
        let text = (self.variable)("PILLION_ACCESS_LOG").unwrap_or_default();
        match AccessLogConfig::parse(&text) {
            Ok((config, unknown)) => {
                let unknown = unknown.into_iter();
                self.remarks.extend(unknown.map(|operator| {
                    format!("PILLION_ACCESS_LOG: {operator}; the access log has \"-\" in its place")
                }));
                config
            }
            Err(fault) => {
                let remark = format!("PILLION_ACCESS_LOG: {fault}; the access log is off");
                self.remarks.push(remark);
                None
            }
        }
    }

    fn app_probes(&mut self) -> AppProbes {
        let text = (self.variable)("ISTIO_KUBE_APP_PROBERS").unwrap_or_default();
        let probes = AppProbes::parse(&text).unwrap_or_else(|error| {
            let remark = format!("{error}; the application's probes will fail");
            self.remarks.push(remark);
            AppProbes::default()
        });
        for (path, fault) in probes.faults() {
            let remark = format!("ISTIO_KUBE_APP_PROBERS: {path:?} will fail: {fault}");
            self.remarks.push(remark);
        }
        probes
    }
}

/// A boolean as Go's `strconv.ParseBool` reads it.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Environment, Vec<String>) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Environment::read(variable, None, 15020)
    }

    #[test]
    fn an_empty_environment_means_the_defaults() {
        let (environment, remarks) = read(&[]);
        assert_eq!(remarks, [""; 0]);
        assert_eq!(environment.minimum_drain_duration, Duration::from_secs(5));
        assert!(!environment.exit_on_zero_active_connections);
        let cores = available_parallelism().unwrap().get();
        assert_eq!(environment.concurrency(), cores.min(2));
    }

    #[test]
    fn the_control_plane_is_that_of_the_proxy_config_or_none() {
        let discovery = |variables: &[_]| read(variables).0.discovery;
        let found = discovery(&[]).unwrap();
        assert_eq!(found.address, "pillion-discovery.istio-system.svc:15012");
        assert_eq!(found.when_unreachable, WhenUnreachable::Refuse);
        let found = discovery(&[("CA_ADDR", "pillion-discovery-canary.istio-system.svc:15012")]);
        assert!(
            found
                .unwrap()
                .address
                .starts_with("pillion-discovery-canary.")
        );
        let config = ("PROXY_CONFIG", r#"{"discoveryAddress": "other:15012"}"#);
        let open = ("PILLION_WHEN_UNREACHABLE", "Passthrough");
        let found = discovery(&[config, open]).unwrap();
        assert_eq!(found.address, "other:15012");
        assert_eq!(found.when_unreachable, WhenUnreachable::PassThrough);
        assert_eq!(discovery(&[("PILLION_DISCOVERY", "none")]), None);
        let (environment, remarks) = read(&[("PILLION_DISCOVERY", "no")]);
        assert!(environment.discovery.is_some());
        assert!(
            remarks[0].starts_with("PILLION_DISCOVERY must be none"),
            "{remarks:?}"
        );
    }

    #[test]
    fn the_mesh_s_number_of_workers_beats_the_cpu_limit() {
        let (environment, _) = read(&[("ISTIO_CPU_LIMIT", "1")]);
        assert_eq!(environment.concurrency(), 1);
        let config = r#"{"concurrency": 0}"#;
        let (environment, _) = read(&[("ISTIO_CPU_LIMIT", "1"), ("PROXY_CONFIG", config)]);
        assert_eq!(
            environment.concurrency(),
            available_parallelism().unwrap().get()
        );
    }

    #[test]
    fn probes_ask_the_pod_s_address_or_loopback() {
        let legacy = ("REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION", "true");
        let address = |variables: &[_]| read(variables).0.probe_address.to_string();
        assert_eq!(address(&[("INSTANCE_IP", "10.0.0.5")]), "10.0.0.5");
        assert_eq!(address(&[("INSTANCE_IP", "10.0.0.5"), legacy]), "127.0.0.1");
        assert_eq!(address(&[("INSTANCE_IP", "fd00::5"), legacy]), "::1");
        assert_eq!(address(&[]), "127.0.0.1");
    }

    #[test]
    fn the_proxy_does_not_scrape_itself() {
        for port in ["15020", "15090"] {
            let annotations = format!(r#"{{"port": "{port}"}}"#);
            let variables = [("ISTIO_PROMETHEUS_ANNOTATIONS", annotations.as_str())];
            let (environment, remarks) = read(&variables);
            assert_eq!(environment.scrape_targets, []);
            assert!(remarks[0].contains("the proxy's own"), "{remarks:?}");
        }
    }

    #[test]
    fn the_trust_domain_has_aliases() {
        let (environment, remarks) = read(&[
            ("TRUST_DOMAIN", "mesh.example"),
            ("PILLION_TRUST_DOMAIN_ALIASES", "old.example, cluster.local"),
        ]);
        let TrustDomains { own, aliases } = environment.trust_domains;
        assert_eq!(own.as_deref(), Some("mesh.example"));
        assert_eq!(aliases, ["old.example", "cluster.local"]);
        assert!(remarks.is_empty(), "{remarks:?}");
        let many = "a,".repeat(65);
        let (environment, remarks) = read(&[("PILLION_TRUST_DOMAIN_ALIASES", &many)]);
        assert_eq!(environment.trust_domains, TrustDomains::default());
        assert!(remarks[0].contains("at most 64"), "{remarks:?}");
    }

    #[test]
    fn says_which_probes_are_wrong() {
        let probers = r#"{"/app-health/a/livez": {"tcpSocket": {"port": "web"}}}"#;
        let (_, remarks) = read(&[("ISTIO_KUBE_APP_PROBERS", probers)]);
        assert_eq!(remarks.len(), 1);
        assert!(
            remarks[0].contains("\"/app-health/a/livez\" will fail"),
            "{remarks:?}"
        );
        let (_, remarks) = read(&[("ISTIO_KUBE_APP_PROBERS", "[")]);
        assert!(remarks[0].contains("is not a JSON object"), "{remarks:?}");
    }

    #[test]
    fn says_why_there_is_no_access_log_or_a_dash_in_it() {
        let (environment, remarks) = read(&[("PILLION_ACCESS_LOG", "[]")]);
        assert!(environment.access_log.is_none());
        assert!(remarks[0].ends_with("the access log is off"), "{remarks:?}");
        let log = r#"{"accessLogFile": "/dev/stdout", "accessLogFormat": "%STREAM_ID%"}"#;
        let (environment, remarks) = read(&[("PILLION_ACCESS_LOG", log)]);
        assert!(environment.access_log.is_some());
        let remark = "PILLION_ACCESS_LOG: %STREAM_ID% is not supported; the access log has \"-\" in its place";
        assert_eq!(remarks, [remark]);
    }

    #[test]
    fn says_what_can_not_be_read() {
        let (environment, remarks) = read(&[
            ("ISTIO_CPU_LIMIT", "half"),
            ("EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "t"),
            ("MINIMUM_DRAIN_DURATION", "5"),
        ]);
        assert!(environment.exit_on_zero_active_connections);
        assert_eq!(remarks.len(), 2);
        assert!(remarks[0].starts_with("ISTIO_CPU_LIMIT must be a whole number, not \"half\""));
    }
}
