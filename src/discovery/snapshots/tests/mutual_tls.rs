//! What proxies are told about mutual TLS.

use pillion_envoy_api::envoy::{
    config::core::v3::{data_source::Specifier, transport_socket::ConfigType},
    extensions::transport_sockets::tls::v3::UpstreamTlsContext,
};
use prost::Message as _;

use super::*;

/// The small mesh, in which there is mutual TLS, with pods that speak it.
pub(super) fn mutual_mesh() -> Mesh {
    let mut mesh = small_mesh();
    let config = MeshConfig {
        mutual_tls: true,
        ..MeshConfig::default()
    };
    assert!(mesh.apply(Event::Mesh(config)).rules);
    let settings = Settings {
        mutual_tls: Some(vec!["cluster.local".into(), "old.example".into()]),
        ..settings()
    };
    assert!(mesh.0.set(settings));
    let _ = mesh.pods_of_reviews(&[
        ("reviews-1", "10.0.0.1", "istio"),
        ("reviews-2", "10.0.0.2", "disabled"),
    ]);
    mesh.0.forget();
    mesh
}

impl Mesh {
    /// Replaces the endpoints of `reviews` by these pods: name, address, and what they speak.
    fn pods_of_reviews(&mut self, pods: &[(&str, &str, &str)]) -> Dirty {
        let mut dirty = Dirty::default();
        for (name, ip, mode) in pods {
            dirty.merge(self.pod_speaking(name, ip, mode, "reviews"));
        }
        let endpoints = pods.iter().map(|(name, ip, _)| {
            json!({"addresses": [ip], "targetRef": {"kind": "Pod", "name": name, "namespace": "shop"}})
        });
        let object = json!({
            "metadata": {"name": "reviews", "namespace": "shop", "labels": {"kubernetes.io/service-name": "reviews"}},
            "addressType": "IPv4", "ports": [{"name": "http", "port": 9080}, {"name": "tcp-db", "port": 3306}],
            "endpoints": endpoints.collect::<Vec<_>>(),
        });
        let slice = endpoints::endpoint_slice(&serde_json::from_value(object).unwrap()).unwrap();
        dirty.merge(self.apply(Event::Endpoints(Change::Apply(slice))));
        dirty
    }

    /// Adds a pod of `reviews`, with what it speaks and its account.
    fn pod_speaking(&mut self, name: &str, ip: &str, mode: &str, account: &str) -> Dirty {
        let object = json!({
            "metadata": {"name": name, "namespace": "shop",
                "labels": {"app": "reviews", "version": "v1", "security.istio.io/tlsMode": mode}},
            "spec": {"serviceAccountName": account, "containers": [{"name": "istio-proxy", "args": ["sidecar"]}]},
            "status": {"podIPs": [{"ip": ip}]},
        });
        let pod = pod::pod(&serde_json::from_value(object).unwrap()).unwrap();
        self.apply(Event::Pod(Change::Apply(pod)))
    }

    fn client(&self, name: &str) -> Client {
        self.0.client(&Key::new("shop", name)).unwrap()
    }

    fn mode(&mut self, name: &str, spec: Value) {
        self.rule(pillion_api::Kind::PeerAuthentication, name, spec);
        self.0.forget();
    }

    /// A resource that a pod's proxy gets, as JSON, known to our types as a whole, and taken by our own
    /// proxy.
    fn resource(&mut self, pod: &str, type_url: &str, name: &str) -> Value {
        let client = self.client(pod);
        let (_, snapshot) = self.0.of(&client);
        resource(&snapshot, type_url, name, client.kind)
    }

    fn inbound(&mut self, pod: &str) -> Value {
        self.resource(pod, type_url::LISTENER, "virtualInbound")
    }
}

fn resource(snapshot: &Snapshot, type_url: &str, name: &str, kind: ProxyKind) -> Value {
    let resource = snapshot.get(type_url).unwrap().get(name).unwrap();
    let bytes = &resource.body.value;
    assert_eq!(unknown_fields(type_url, bytes).unwrap(), [""; 0]);
    let is_gateway = kind == ProxyKind::Gateway;
    let taken = pillion_proxy::test_util::check_resource(is_gateway, type_url, name, bytes);
    assert_eq!(taken, Ok(()), "{name}");
    serde_json::to_value(to_json(type_url, bytes).unwrap()).unwrap()
}

/// The chains of a listener: `PORT TRANSPORT PROTOCOLS: FILTER, and TLS where it ends`.
fn chains(listener: &Value) -> Vec<String> {
    let chains = listener["filterChains"].as_array().unwrap().iter();
    let show = |chain: &Value| {
        let matches = &chain["filterChainMatch"];
        let port = matches["destinationPort"].as_u64();
        let port = port.map_or("*".to_owned(), |port| port.to_string());
        let transport = matches["transportProtocol"].as_str().unwrap_or("any");
        let protocols = matches["applicationProtocols"].as_array();
        let protocols = protocols
            .into_iter()
            .flatten()
            .map(|name| name.as_str().unwrap());
        let protocols = protocols.collect::<Vec<_>>().join(",");
        let config = &chain["filters"][0]["typedConfig"];
        let is_http = config["@type"] == type_url::HTTP_CONNECTION_MANAGER;
        let filter = if is_http { "http" } else { "bytes" };
        let tls = if chain["transportSocket"].is_null() {
            ""
        } else {
            ", ends TLS"
        };
        format!("{port} {transport} {protocols}: {filter}{tls}")
    };
    // The first one is of the capture's own port.
    chains.skip(1).map(show).collect()
}

const OTHERS: [&str; 5] = [
    "* tls istio-http/1.0,istio-http/1.1,istio-h2: http, ends TLS",
    "* raw_buffer http/1.0,http/1.1,h2c: http",
    "* tls istio,istio-peer-exchange: bytes, ends TLS",
    "* raw_buffer : bytes",
    "* tls : bytes",
];

#[test]
fn a_sidecar_takes_both_by_default() {
    let mut mesh = mutual_mesh();
    let listener = mesh.inbound("reviews-1");
    let mut wanted = vec![
        "3306 tls istio,istio-peer-exchange: bytes, ends TLS",
        "3306 tls : bytes",
        "3306 raw_buffer : bytes",
        "9080 tls istio,istio-peer-exchange,istio-http/1.0,istio-http/1.1,istio-h2: http, ends TLS",
        "9080 raw_buffer : http",
    ];
    wanted.extend(OTHERS);
    assert_eq!(chains(&listener), wanted);
    assert_eq!(listener["defaultFilterChain"], Value::Null);
    insta::assert_json_snapshot!(listener);
}

#[test]
fn a_strict_sidecar_has_no_chain_for_plain_text() {
    let mut mesh = mutual_mesh();
    mesh.service(
        "sniffed",
        json!({"clusterIP": "10.96.0.3", "selector": {"app": "reviews"},
            "ports": [{"name": "x", "port": 7001, "appProtocol": "example.com/x"}]}),
    );
    mesh.mode("all", json!({"mtls": {"mode": "STRICT"}}));
    let listener = mesh.inbound("reviews-1");
    let wanted = [
        "3306 tls : bytes, ends TLS",
        "7001 tls istio-http/1.0,istio-http/1.1,istio-h2: http, ends TLS",
        "7001 tls : bytes, ends TLS",
        "9080 tls : http, ends TLS",
        "* tls istio-http/1.0,istio-http/1.1,istio-h2: http, ends TLS",
        "* tls : bytes, ends TLS",
    ];
    assert_eq!(chains(&listener), wanted);
    assert_eq!(listener["defaultFilterChain"], Value::Null);
    // The log names the object.
    let path = "/apis/security.istio.io/v1/namespaces/shop/peer-authentication/all";
    for chain in listener["filterChains"].as_array().unwrap().iter().skip(1) {
        let metadata = &chain["metadata"]["filterMetadata"]["istio"];
        assert_eq!(metadata["config"], path, "{chain}");
    }
}

#[test]
fn a_disabled_sidecar_is_as_without_mutual_tls() {
    let mut mesh = mutual_mesh();
    mesh.mode("all", json!({"mtls": {"mode": "DISABLE"}}));
    let listener = mesh.inbound("reviews-1");
    let wanted = [
        "3306 any : bytes",
        "9080 any : http",
        "* raw_buffer http/1.0,http/1.1,h2c: http",
    ];
    assert_eq!(chains(&listener), wanted);
    assert_eq!(listener["defaultFilterChain"]["name"], "virtualInbound");
}

#[test]
fn single_ports_are_as_said_also_those_that_no_service_names() {
    let mut mesh = mutual_mesh();
    let modes = json!({"9080": {"mode": "DISABLE"}, "9999": {"mode": "STRICT"}, "15006": {"mode": "DISABLE"}});
    let selector = json!({"matchLabels": {"app": "reviews"}});
    mesh.mode(
        "reviews",
        json!({"selector": selector, "portLevelMtls": modes}),
    );
    let listener = mesh.inbound("reviews-1");
    let mut wanted = vec![
        "3306 tls istio,istio-peer-exchange: bytes, ends TLS",
        "3306 tls : bytes",
        "3306 raw_buffer : bytes",
        "9080 any : http",
        "9999 tls istio-http/1.0,istio-http/1.1,istio-h2: http, ends TLS",
        "9999 tls : bytes, ends TLS",
    ];
    wanted.extend(OTHERS);
    assert_eq!(chains(&listener), wanted);
}

const REVIEWS: &str = "outbound|9080||reviews.shop.svc.cluster.local";

#[test]
fn endpoints_are_spoken_to_as_they_speak() {
    let mut mesh = mutual_mesh();
    let cluster = mesh.resource("reviews-1", type_url::CLUSTER, REVIEWS);
    insta::assert_json_snapshot!(cluster["transportSocketMatches"]);
    assert_eq!(cluster["transportSocket"], Value::Null);
    let assignment = mesh.resource("reviews-1", type_url::CLUSTER_LOAD_ASSIGNMENT, REVIEWS);
    let endpoints = &assignment["endpoints"][0]["lbEndpoints"];
    let metadata =
        json!({"filterMetadata": {"envoy.transport_socket_match": {"tlsMode": "istio"}}});
    assert_eq!(endpoints[0]["metadata"], metadata);
    assert_eq!(endpoints[1]["metadata"], Value::Null);
}

#[test]
fn what_is_outside_of_the_mesh_or_unknown_is_spoken_to_in_plain_text() {
    let mut mesh = mutual_mesh();
    for name in [
        "outbound|80||www.example.com",
        "PassthroughCluster",
        "inbound|9080||",
    ] {
        let cluster = mesh.resource("reviews-1", type_url::CLUSTER, name);
        assert_eq!(cluster["transportSocketMatches"], Value::Null, "{name}");
        assert_eq!(cluster["transportSocket"], Value::Null, "{name}");
    }
}

#[test]
fn a_destination_rule_wins() {
    let mut mesh = mutual_mesh();
    let tls = |mode: &str| json!({"host": "reviews", "trafficPolicy": {"tls": {"mode": mode}, "connectionPool": {"http": {"h2UpgradePolicy": "UPGRADE"}}}});
    mesh.rule(
        pillion_api::Kind::DestinationRule,
        "reviews",
        tls("DISABLE"),
    );
    mesh.0.forget();
    let cluster = mesh.resource("reviews-1", type_url::CLUSTER, REVIEWS);
    assert_eq!(cluster["transportSocketMatches"], Value::Null);
    assert_eq!(cluster["transportSocket"], Value::Null);
    mesh.rule(
        pillion_api::Kind::DestinationRule,
        "reviews",
        tls("ISTIO_MUTUAL"),
    );
    mesh.0.forget();
    let cluster = mesh.resource("reviews-1", type_url::CLUSTER, REVIEWS);
    assert_eq!(cluster["transportSocketMatches"], Value::Null);
    let context = &cluster["transportSocket"]["typedConfig"];
    assert_eq!(context["@type"], type_url::UPSTREAM_TLS_CONTEXT);
    assert_eq!(
        context["commonTlsContext"]["alpnProtocols"],
        json!(["istio", "h2"])
    );
    assert_eq!(
        context["sni"],
        "outbound_.9080_._.reviews.shop.svc.cluster.local"
    );
}

#[test]
fn servers_outside_the_mesh_prove_a_name_by_a_file_of_roots() {
    let mut mesh = mutual_mesh();
    let mut context = |fields: Value| {
        let mut tls = json!({"mode": "SIMPLE"});
        let fields = fields.as_object().unwrap().clone();
        tls.as_object_mut().unwrap().extend(fields);
        mesh.rule(
            pillion_api::Kind::DestinationRule,
            "outside",
            json!({"host": "www.example.com", "trafficPolicy": {"tls": tls}}),
        );
        mesh.0.forget();
        let name = "outbound|80||www.example.com";
        let cluster = mesh.resource("reviews-1", type_url::CLUSTER, name);
        assert_eq!(cluster["transportSocketMatches"], Value::Null);
        cluster["transportSocket"]["typedConfig"].clone()
    };
    let system = context(json!({}));
    assert_eq!(system["@type"], type_url::UPSTREAM_TLS_CONTEXT);
    assert_eq!(system["sni"], "www.example.com");
    let common = &system["commonTlsContext"];
    assert_eq!(common["tlsCertificateSdsSecretConfigs"], Value::Null);
    assert_eq!(
        common["validationContext"],
        json!({
            "trustedCa": {"filename": "/etc/ssl/certs/ca-certificates.crt"},
            "matchTypedSubjectAltNames": [{"sanType": "DNS", "matcher": {"exact": "www.example.com"}}],
        })
    );
    let own = context(
        json!({"sni": "a", "caCertificates": "/ca.pem", "subjectAltNames": ["*.b", "https://c"]}),
    );
    assert_eq!(own["sni"], "a");
    assert_eq!(
        own["commonTlsContext"]["validationContext"],
        json!({
            "trustedCa": {"filename": "/ca.pem"},
            "matchTypedSubjectAltNames": [
                {"sanType": "DNS", "matcher": {"exact": "*.b"}},
                {"sanType": "URI", "matcher": {"exact": "https://c"}},
            ],
        })
    );
    let any = context(json!({"insecureSkipVerify": true}));
    assert_eq!(any["commonTlsContext"]["validationContext"], Value::Null);
}

#[test]
fn servers_outside_the_mesh_are_shown_a_certificate_of_two_files() {
    let mut mesh = mutual_mesh();
    mesh.rule(
        pillion_api::Kind::DestinationRule,
        "outside",
        json!({"host": "www.example.com", "trafficPolicy": {"tls": {
            "mode": "MUTUAL", "clientCertificate": "/client.pem", "privateKey": "/key.pem"}}}),
    );
    mesh.0.forget();
    let name = "outbound|80||www.example.com";
    let cluster = mesh.resource("reviews-1", type_url::CLUSTER, name);
    let common = &cluster["transportSocket"]["typedConfig"]["commonTlsContext"];
    assert_eq!(
        common["tlsCertificates"],
        json!([{"certificateChain": {"filename": "/client.pem"}, "privateKey": "[redacted]"}])
    );
    assert_eq!(common["tlsCertificateSdsSecretConfigs"], Value::Null);
    let names = &common["validationContext"]["matchTypedSubjectAltNames"];
    assert_eq!(names[0]["matcher"]["exact"], "www.example.com");
    // JSON does not show what may be a key.
    let client = mesh.client("reviews-1");
    let (_, snapshot) = mesh.0.of(&client);
    let resource = snapshot.get(type_url::CLUSTER).unwrap().get(name).unwrap();
    let cluster = Cluster::decode(&*resource.body.value).unwrap();
    let Some(ConfigType::TypedConfig(context)) = cluster.transport_socket.unwrap().config_type
    else {
        panic!("no TLS");
    };
    let context = UpstreamTlsContext::decode(&*context.value).unwrap();
    let certificate = &context.common_tls_context.unwrap().tls_certificates[0];
    let key = certificate.private_key.clone().unwrap().specifier;
    assert_eq!(key, Some(Specifier::Filename("/key.pem".to_owned())));
}

/// The certificate's names of those who call: appended by sidecars, replaced at gateways.
#[test]
fn who_has_called_is_told_to_applications() {
    let mut mesh = mutual_mesh();
    mesh.service(
        "edge",
        json!({"clusterIP": "10.96.0.9", "selector": {"app": "edge"}, "ports": [{"name": "http2", "port": 80, "targetPort": 8080}]}),
    );
    mesh.pod("edge", "10.0.0.9", "gateway");
    mesh.0.forget();
    let details = json!({"subject": true, "dns": true, "uri": true});
    let of = |listener: &Value| {
        let chains = listener["filterChains"].as_array().unwrap().iter();
        let managers = chains.map(|chain| chain["filters"][0]["typedConfig"].clone());
        let is_http = |config: &Value| config["@type"] == type_url::HTTP_CONNECTION_MANAGER;
        managers.filter(is_http).collect::<Vec<_>>()
    };
    let inbound = of(&mesh.inbound("reviews-1"));
    assert_eq!(inbound.len(), 4);
    for manager in inbound {
        assert_eq!(manager["forwardClientCertDetails"], "APPEND_FORWARD");
        assert_eq!(manager["setCurrentClientCertDetails"], details);
    }
    for manager in of(&mesh.resource("edge", type_url::LISTENER, "0.0.0.0_8080")) {
        assert_eq!(manager["forwardClientCertDetails"], "SANITIZE_SET");
        assert_eq!(manager["setCurrentClientCertDetails"], details);
    }
    for manager in of(&mesh.resource("reviews-1", type_url::LISTENER, "0.0.0.0_9080")) {
        assert_eq!(manager["forwardClientCertDetails"], Value::Null);
    }
}

#[test]
fn a_gateway_speaks_mutual_tls_inwards() {
    let mut mesh = mutual_mesh();
    mesh.pod("edge", "10.0.0.9", "gateway");
    let cluster = mesh.resource("edge", type_url::CLUSTER, REVIEWS);
    assert_eq!(
        cluster["transportSocketMatches"][0]["name"],
        "tlsMode-istio"
    );
}

/// What a pod's proxy got, and what it gets now.
fn renewed(mesh: &mut Mesh, dirty: &Dirty) -> (Snapshot, Snapshot) {
    let client = mesh.client("reviews-1");
    let (class, before) = mesh.0.of(&client);
    mesh.0.renew_endpoints(&dirty.endpoints);
    (before, mesh.0.of_class(&class).unwrap())
}

#[test]
fn a_new_account_is_known_with_the_endpoint() {
    let mut mesh = mutual_mesh();
    let client = mesh.client("reviews-1");
    _ = mesh.0.of(&client);
    let dirty = mesh.pod_speaking("reviews-2", "10.0.0.2", "istio", "new");
    assert!(!dirty.rules);
    let (before, after) = renewed(&mut mesh, &dirty);
    let host = "reviews.shop.svc.cluster.local";
    let all = ["", "v1", "v2"];
    let clusters: BTreeSet<_> = [3307, 9080]
        .iter()
        .flat_map(|port| all.map(|subset| format!("outbound|{port}|{subset}|{host}").into()))
        .collect();
    assert_eq!(changed(&before, &after, type_url::CLUSTER), clusters);
    let names = &resource(&after, type_url::CLUSTER, REVIEWS, ProxyKind::Sidecar)["transportSocketMatches"]
        [0]["transportSocket"]["typedConfig"]["commonTlsContext"]["combinedValidationContext"]["defaultValidationContext"]
        ["matchTypedSubjectAltNames"];
    let name = |account: &str| format!("spiffe://cluster.local/ns/shop/sa/{account}");
    assert_eq!(names[0]["matcher"]["exact"], name("new"));
    assert_eq!(names[1]["matcher"]["exact"], name("reviews"));
    let endpoints = &resource(
        &after,
        type_url::CLUSTER_LOAD_ASSIGNMENT,
        REVIEWS,
        ProxyKind::Sidecar,
    )["endpoints"][0];
    assert!(endpoints["lbEndpoints"][1]["metadata"].is_object());
    // The proxy's own clusters are there as before.
    assert!(
        after
            .get(type_url::CLUSTER)
            .unwrap()
            .get("PassthroughCluster")
            .is_some()
    );
    assert!(changed(&before, &after, type_url::LISTENER).is_empty());
}

#[test]
fn one_more_pod_of_a_known_account_changes_no_cluster() {
    let mut mesh = mutual_mesh();
    let client = mesh.client("reviews-1");
    _ = mesh.0.of(&client);
    let pods = [
        ("reviews-1", "10.0.0.1", "istio"),
        ("reviews-2", "10.0.0.2", "disabled"),
        ("reviews-3", "10.0.0.3", "istio"),
    ];
    let dirty = mesh.pods_of_reviews(&pods);
    let (before, after) = renewed(&mut mesh, &dirty);
    let clusters =
        |snapshot: &Snapshot| Arc::as_ptr(snapshot.get(type_url::CLUSTER).unwrap().shared()).addr();
    assert_eq!(clusters(&before), clusters(&after));
    assert!(!changed(&before, &after, type_url::CLUSTER_LOAD_ASSIGNMENT).is_empty());
}

#[test]
fn a_mode_changes_the_listener_of_its_pods_and_their_endpoints_alone() {
    let mut mesh = mutual_mesh();
    mesh.pod("other", "10.0.1.1", "sidecar");
    let clients = ["reviews-1", "other"].map(|name| mesh.client(name));
    let before = clients.each_ref().map(|client| mesh.0.of(client).1);
    let selector = json!({"matchLabels": {"app": "reviews"}});
    mesh.mode(
        "reviews",
        json!({"selector": selector, "mtls": {"mode": "STRICT"}}),
    );
    let after = clients.each_ref().map(|client| mesh.0.of(client).1);
    let all = [
        type_url::LISTENER,
        type_url::CLUSTER,
        type_url::ROUTE_CONFIGURATION,
        type_url::CLUSTER_LOAD_ASSIGNMENT,
    ];
    let of = |index: usize, after: &[Snapshot; 2]| {
        let differing = all
            .iter()
            .flat_map(|type_url| changed(&before[index], &after[index], type_url));
        differing.map(|name| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of(0, &after), ["virtualInbound"]);
    assert_eq!(of(1, &after), [""; 0]);
    // Clients speak as before to what takes both.
    let selector = json!({"matchLabels": {"app": "reviews"}});
    mesh.mode(
        "reviews",
        json!({"selector": selector, "portLevelMtls": {"9080": {"mode": "DISABLE"}}}),
    );
    let after = clients.each_ref().map(|client| mesh.0.of(client).1);
    assert_eq!(
        of(1, &after),
        ["outbound|9080|v1|reviews.shop.svc.cluster.local", REVIEWS]
    );
}

/// With it off, pods' labels and accounts and PeerAuthentications mean nothing.
#[test]
fn without_mutual_tls_nothing_is_said_of_it() {
    let mut mesh = small_mesh();
    let _ = mesh.pods_of_reviews(&[
        ("reviews-1", "10.0.0.1", "istio"),
        ("reviews-2", "10.0.0.2", "istio"),
    ]);
    mesh.mode("all", json!({"mtls": {"mode": "STRICT"}}));
    let (_, snapshot) = mesh.0.of(&mesh.client("reviews-1"));
    let text = shown(&snapshot, ProxyKind::Sidecar).to_string();
    for word in [
        "transport_socket",
        "transportSocket",
        "tlsMode",
        "forwardClientCert",
        "peer-authentication",
    ] {
        assert!(!text.contains(word), "{word}");
    }
}
