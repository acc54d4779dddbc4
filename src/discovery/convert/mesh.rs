//! The mesh's configuration: Istio's MeshConfig, as far as discovery uses it.

use std::sync::Arc;

use serde_json::Value;

use super::{
    fields::{camel_case, duration, field, flag, of_field, text_of},
    providers::providers,
    tracing::{of_proxy, unknown},
    trust_domain::{domain, domains},
};
use crate::model::{
    LoadBalancer, MeshConfig, MeshTracing, OutboundPolicy, Provider, ProxyCollector, is_export,
};

/// What the flags say about the mesh.
#[derive(Debug, Clone)]
pub(in crate::discovery) struct Defaults {
    /// The cluster's DNS domain.
    pub domain: Arc<str>,
    /// The namespace that Pillion is installed in.
    pub namespace: Arc<str>,
    /// How requests are balanced where no DestinationRule says.
    pub load_balancer: LoadBalancer,
    /// Whether there is mutual TLS.
    pub mutual_tls: bool,
    /// The trust domain, whatever the configuration says.
    pub trust_domain: Option<Arc<str>>,
}

/// What the ConfigMap says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::discovery) struct Mesh {
    /// What the model uses.
    pub model: MeshConfig,
    /// `accessLogFile`, for proxies that are told by their listeners (Envoy). Empty for none.
    pub access_log_file: Arc<str>,
    /// `accessLogFormat` as text. Empty for Envoy's own format.
    pub access_log_format: Arc<str>,
    /// `defaultConfig.gatewayTopology.numTrustedProxies`.
    pub trusted_proxies: u32,
    /// The fields of `defaultConfig.tracing` that mean nothing here.
    unknown: Vec<String>,
}

/// How many of them are named.
const NAMED: usize = 10;

impl Mesh {
    /// The configuration without a ConfigMap.
    pub fn default_of(defaults: &Defaults) -> Self {
        Self {
            model: MeshConfig {
                domain: Arc::clone(&defaults.domain),
                root_namespace: Arc::clone(&defaults.namespace),
                load_balancer: defaults.load_balancer,
                mutual_tls: defaults.mutual_tls,
                tracing: Arc::new(MeshTracing::default_in(&defaults.namespace)),
                ..with_trust_domain(defaults)
            },
            access_log_file: "".into(),
            access_log_format: "".into(),
            trusted_proxies: 0,
            unknown: Vec::new(),
        }
    }

    /// Reads the key `mesh` of the ConfigMap.
    ///
    /// # Errors
    ///
    /// Returns what is wrong, field by field. A field that discovery does not use is not
    /// looked at.
    pub fn parse(text: &str, defaults: &Defaults) -> Result<Self, Vec<String>> {
        let value = pillion_inject::yaml::parse(text).map_err(|error| vec![error.to_string()])?;
        let mut mesh = Self::default_of(defaults);
        let fields = match &value {
            Value::Null => return Ok(mesh),
            Value::Object(fields) => fields,
            _ => return Err(vec!["must be a map of fields".to_owned()]),
        };
        let mut faults = Vec::new();
        let mut is_text = true;
        let mut tracing = MeshTracing::default_in(&defaults.namespace);
        for (name, value) in fields {
            let read = match camel_case(name).as_str() {
                "outboundTrafficPolicy" => outbound(value).map(|read| mesh.model.outbound = read),
                "rootNamespace" => text_of(value).map(|read| {
                    if !read.is_empty() {
                        mesh.model.root_namespace = read.into();
                    }
                }),
                "trustDomain" => domain(value).map(|read| {
                    if let (Some(read), None) = (read, &defaults.trust_domain) {
                        mesh.model.trust_domain = read;
                    }
                }),
                "trustDomainAliases" => {
                    domains(value).map(|read| mesh.model.trust_domain_aliases = read)
                }
                "connectTimeout" => duration(value).map(|read| mesh.model.connect_timeout = read),
                "defaultConfig" => default_config(value, &mut mesh, &mut tracing),
                "enableTracing" => flag(value).map(|read| tracing.is_enabled = read),
                "extensionProviders" => providers(value).map(|read| tracing.providers = read),
                "defaultProviders" => {
                    default_provider(value).map(|read| tracing.default_provider = read)
                }
                "defaultServiceExportTo" => {
                    exports(value).map(|read| mesh.model.exports.services = read)
                }
                "defaultVirtualServiceExportTo" => {
                    exports(value).map(|read| mesh.model.exports.virtual_services = read)
                }
                "defaultDestinationRuleExportTo" => {
                    exports(value).map(|read| mesh.model.exports.destination_rules = read)
                }
                "enableAutoMtls" => auto_mtls(value).map(|read| mesh.model.auto_mtls = read),
                "accessLogFile" => text_of(value).map(|read| mesh.access_log_file = read.into()),
                "accessLogFormat" => {
                    text_of(value).map(|read| mesh.access_log_format = read.into())
                }
                "accessLogEncoding" => text_of(value).map(|read| is_text = read != "JSON"),
                _ => Ok(()),
            };
            if let Err(fault) = read {
                faults.push(format!("{name}: {fault}"));
            }
        }
        if !is_text {
            // It is a map of formats then.
            mesh.access_log_format = "".into();
        }
        tracing.complete_hosts(&mesh.model.root_namespace);
        mesh.model.tracing = Arc::new(tracing);
        if faults.is_empty() {
            Ok(mesh)
        } else {
            Err(faults)
        }
    }

    /// What it asks for and does not get, because it is not built or not there.
    pub fn remarks(&self) -> Vec<String> {
        let tracing = &self.model.tracing;
        let default = tracing.default_provider.as_ref().and_then(|name| {
            let place =
                format!("defaultProviders.tracing: requests are not traced, because {name}");
            match tracing.providers.get(name) {
                None => Some(format!("{place} is none of the extensionProviders")),
                Some(Provider::NotBuilt(what)) => Some(format!("{place} is not built ({what})")),
                Some(Provider::Tracing(_)) => None,
            }
        });
        let proxies = match &tracing.proxies.collector {
            Some(ProxyCollector::NotBuilt(what)) => Some(format!(
                "defaultConfig.tracing.{what}: is not built, and requests are traced only where a \
                 Telemetry or defaultProviders names a provider"
            )),
            _ => None,
        };
        let unknown = self.unknown.iter().take(NAMED);
        let unknown = unknown.map(|name| {
            format!("defaultConfig.tracing.{name}: has no effect, because no such field is known")
        });
        default.into_iter().chain(proxies).chain(unknown).collect()
    }
}

/// Reads whether clients use mutual TLS wherever servers do.
fn auto_mtls(value: &Value) -> Result<bool, String> {
    match value {
        Value::Null => Ok(true),
        value => flag(value),
    }
}

/// What is so by default, with the trust domain that the flags name.
fn with_trust_domain(defaults: &Defaults) -> MeshConfig {
    let mut model = MeshConfig::default();
    if let Some(domain) = &defaults.trust_domain {
        model.trust_domain = Arc::clone(domain);
    }
    model
}

/// Reads a list of namespaces as of `exportTo`.
fn exports(value: &Value) -> Result<Vec<Arc<str>>, String> {
    let entries = value.as_array().map(Vec::as_slice);
    let entries = entries.unwrap_or_default().iter().map(Value::as_str);
    let entries: Option<Vec<&str>> = entries.collect();
    let is_list = value.is_array() || value.is_null();
    let entries = entries.filter(|_| is_list);
    let entries = entries.filter(|entries| entries.iter().all(|entry| is_export(entry)));
    let read = entries.map(|entries| entries.into_iter().map(Arc::from).collect());
    read.ok_or_else(|| "must be a list of namespaces, `.`, `~` and `*`".to_owned())
}

fn outbound(value: &Value) -> Result<OutboundPolicy, String> {
    match value.get("mode").map(Value::as_str) {
        None => Ok(OutboundPolicy::AllowAny),
        Some(Some("ALLOW_ANY")) => Ok(OutboundPolicy::AllowAny),
        Some(Some("REGISTRY_ONLY")) => Ok(OutboundPolicy::RegistryOnly),
        Some(_) => Err("mode must be ALLOW_ANY or REGISTRY_ONLY".to_owned()),
    }
}

/// Reads the ProxyConfig of the whole mesh.
fn default_config(value: &Value, mesh: &mut Mesh, tracing: &mut MeshTracing) -> Result<(), String> {
    mesh.trusted_proxies = trusted_proxies(value)?;
    tracing.proxies = tracing.proxies.overlaid_with(&of_proxy(value)?);
    mesh.unknown = unknown(value);
    Ok(())
}

/// Reads the first provider of traces.
fn default_provider(value: &Value) -> Result<Option<Arc<str>>, String> {
    let names = match field(value, "tracing") {
        None | Some(Value::Null) => return Ok(None),
        Some(names) => names.as_array(),
    };
    let names = names.ok_or_else(|| "tracing must be a list of names".to_owned())?;
    let first = names.first().map(text_of).transpose();
    Ok(of_field("tracing[0]", first)?.map(Into::into))
}

fn trusted_proxies(value: &Value) -> Result<u32, String> {
    let topology = field(value, "gatewayTopology");
    let number = topology.and_then(|topology| field(topology, "numTrustedProxies"));
    let number = number.map(|number| number.as_u64().and_then(|number| number.try_into().ok()));
    match number {
        None => Ok(0),
        Some(Some(number)) => Ok(number),
        Some(None) => Err("gatewayTopology.numTrustedProxies must be a number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pillion_api::Percentage;

    use super::*;

    fn parse(text: &str) -> Result<Mesh, Vec<String>> {
        Mesh::parse(
            text,
            &Defaults {
                domain: "cluster.local".into(),
                namespace: "mesh".into(),
                load_balancer: LoadBalancer::RoundRobin,
                mutual_tls: false,
                trust_domain: None,
            },
        )
    }

    #[test]
    fn an_empty_text_has_the_defaults() {
        for text in ["", "{}"] {
            let mesh = parse(text).unwrap();
            assert_eq!(&*mesh.model.root_namespace, "mesh");
            assert_eq!(mesh.model.load_balancer, LoadBalancer::RoundRobin);
            assert_eq!(mesh.model.outbound, OutboundPolicy::AllowAny);
        }
    }

    #[test]
    fn reads_what_discovery_uses() {
        let mesh = parse(
            "outboundTrafficPolicy: {mode: REGISTRY_ONLY}\nrootNamespace: root\nconnect_timeout: 3s\n\
             accessLogFile: /dev/stdout\naccessLogFormat: '%PROTOCOL%'\ntrustDomain: td\ndefault_config: {gateway_topology: {numTrustedProxies: 2}}\n",
        )
        .unwrap();
        assert_eq!(mesh.model.outbound, OutboundPolicy::RegistryOnly);
        assert_eq!(&*mesh.model.root_namespace, "root");
        assert_eq!(mesh.model.connect_timeout, Duration::from_secs(3));
        assert_eq!(&*mesh.access_log_file, "/dev/stdout");
        assert_eq!(&*mesh.access_log_format, "%PROTOCOL%");
        assert_eq!(mesh.trusted_proxies, 2);
        assert_eq!(&*mesh.model.trust_domain, "td");
    }

    #[test]
    fn the_flag_s_trust_domain_wins() {
        let defaults = Defaults {
            domain: "cluster.local".into(),
            namespace: "mesh".into(),
            load_balancer: LoadBalancer::RoundRobin,
            mutual_tls: false,
            trust_domain: Some("flag".into()),
        };
        for text in ["", "trustDomain: td"] {
            let mesh = Mesh::parse(text, &defaults).unwrap();
            assert_eq!(&*mesh.model.trust_domain, "flag", "{text}");
        }
        assert!(Mesh::parse("trustDomain: 'no domain'", &defaults).is_err());
    }

    #[test]
    fn the_default_trust_domain_is_istio_s() {
        for text in ["", "trustDomain: ''", "trustDomain: null"] {
            let mesh = parse(text).unwrap();
            assert_eq!(&*mesh.model.trust_domain, "cluster.local", "{text}");
            assert!(mesh.model.trust_domain_aliases.is_empty());
        }
        let aliases = parse("trust_domain_aliases: [old, older.example]").unwrap();
        let aliases = aliases.model.trust_domain_aliases;
        assert_eq!(aliases, ["old", "older.example"].map(Arc::<str>::from));
    }

    #[test]
    fn reads_whose_clients_see_what_does_not_say_so() {
        let mesh = parse(
            "defaultServiceExportTo: ['.', other]\ndefault_virtual_service_export_to: ['~']\n\
             defaultDestinationRuleExportTo: ['*']\n",
        );
        let exports = mesh.unwrap().model.exports;
        assert_eq!(exports.services, [".", "other"].map(Arc::<str>::from));
        assert_eq!(exports.virtual_services, ["~"].map(Arc::<str>::from));
        assert_eq!(exports.destination_rules, ["*"].map(Arc::<str>::from));
        for bad in ["x", "[1]", "['a/b']", "['']", "{}"] {
            let text = format!("defaultServiceExportTo: {bad}");
            assert!(parse(&text).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_whom_workloads_trust() {
        let model = parse("").unwrap().model;
        assert!(model.auto_mtls);
        assert_eq!(&*model.trust_domain, "cluster.local");
        assert!(model.trust_domain_aliases.is_empty());
        let text = "enableAutoMtls: false\ntrust_domain: shop.example\n\
                    trustDomainAliases: [old.example, cluster.local]\n";
        let model = parse(text).unwrap().model;
        assert!(!model.auto_mtls);
        assert_eq!(&*model.trust_domain, "shop.example");
        let aliases = ["old.example", "cluster.local"].map(Arc::<str>::from);
        assert_eq!(model.trust_domain_aliases, aliases);
        assert_eq!(
            &*parse("trustDomain: ''").unwrap().model.trust_domain,
            "cluster.local"
        );
        for bad in [
            "enableAutoMtls: 'yes'",
            "trustDomain: spiffe://a",
            "trustDomain: Shop",
            "trustDomainAliases: a",
            "trustDomainAliases: ['']",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_each_field_that_is_wrong() {
        let faults =
            parse("connectTimeout: soon\noutboundTrafficPolicy: {mode: NONE}\n").unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(
            faults
                .iter()
                .any(|fault| fault.starts_with("connectTimeout: "))
        );
        assert!(faults.iter().any(|fault| fault.contains("REGISTRY_ONLY")));
        assert!(parse("- a").is_err());
    }

    #[test]
    fn zipkin_is_looked_for_beside_the_control_plane() {
        let proxies = parse("").unwrap().model.tracing.proxies.clone();
        let Some(ProxyCollector::Default(address)) = proxies.collector else {
            panic!("{proxies:?}");
        };
        assert_eq!((&*address.host, address.port), ("zipkin.mesh", 9411));
        let tracing = parse("{defaultConfig: {tracing: {sampling: 100}}}").unwrap();
        let proxies = &tracing.model.tracing.proxies;
        assert_eq!(proxies.sampling, Some(Percentage::ALL));
        assert!(proxies.collector.is_some());
    }

    #[test]
    fn reads_who_gets_spans() {
        let mesh = parse(
            "enableTracing: false\ndefaultProviders: {tracing: [z, y]}\nextensionProviders:\n\
             - {name: z, zipkin: {service: zipkin.obs.svc.cluster.local, port: 9411}}\n\
             - {name: log, envoyFileAccessLog: {path: /dev/stdout}}\n",
        )
        .unwrap();
        let tracing = &mesh.model.tracing;
        assert!(!tracing.is_enabled);
        assert_eq!(tracing.default_provider.as_deref(), Some("z"));
        assert_eq!(tracing.providers.len(), 2);
        assert_eq!(mesh.remarks(), [""; 0]);
        for bad in [
            "enableTracing: 1",
            "defaultProviders: {tracing: z}",
            "extensionProviders: [{}]",
            "defaultConfig: {tracing: {sampling: 101}}",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    /// Nobody is told by a status: the ConfigMap has none.
    #[test]
    fn says_what_is_not_there() {
        let remarks = |text| parse(text).unwrap().remarks().join("; ");
        let missing = remarks("defaultProviders: {tracing: [z]}");
        assert!(missing.contains("z is none of the extensionProviders"));
        let dog = "{defaultProviders: {tracing: [z]}, extensionProviders: [{name: z, datadog: {service: a, port: 1}}],\n\
                   defaultConfig: {tracing: {datadog: {address: 'a:1'}}}}";
        let dog = remarks(dog);
        assert!(dog.contains("z is not built (datadog)"), "{dog}");
        assert!(dog.contains("defaultConfig.tracing.datadog: is not built"));
        let tls = remarks("defaultConfig: {tracing: {tlsSettings: {mode: SIMPLE}, samplign: 5}}");
        assert!(
            tls.contains("defaultConfig.tracing.tlsSettings: is not built"),
            "{tls}"
        );
        assert!(
            tls.contains("defaultConfig.tracing.samplign: has no effect"),
            "{tls}"
        );
    }

    /// A Telemetry of the root namespace is for all: whom it names must be the same for all.
    #[test]
    fn hosts_without_a_dot_are_of_the_root_namespace() {
        let mesh = parse(
            "extensionProviders:\n\
             - {name: a, zipkin: {service: zipkin, port: 1}}\n\
             - {name: b, opentelemetry: {service: obs/otel, port: 2}}\n\
             - {name: c, zipkin: {service: zipkin.obs, port: 3}}\n\
             rootNamespace: root\n\
             defaultConfig: {tracing: {zipkin: {address: 'own:4'}}}\n",
        );
        let tracing = Arc::clone(&mesh.unwrap().model.tracing);
        let at = |name: &str| match &tracing.providers[name] {
            Provider::Tracing(provider) => provider.service.to_string(),
            Provider::NotBuilt(what) => panic!("{what}"),
        };
        assert_eq!(
            [at("a"), at("b"), at("c")],
            ["zipkin.root:1", "obs/otel.obs:2", "zipkin.obs:3"]
        );
        let Some(ProxyCollector::Zipkin(address)) = &tracing.proxies.collector else {
            panic!("{tracing:?}");
        };
        assert_eq!(address.to_string(), "own.root:4");
    }
}
