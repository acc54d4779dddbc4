//! `DestinationRule`.

use pillion_api::Kind;

use crate::{faults, warnings};

fn fault(text: &str) -> String {
    crate::fault(Kind::DestinationRule, text)
}

#[test]
fn accepts_policies_that_are_built() {
    let spec = "{host: '*.example.com', exportTo: ['*'], subsets: [{name: v1}, {name: v2, labels: {version: v2}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}],
        trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, tls: {mode: ISTIO_MUTUAL, sni: web.shop, subjectAltNames: ['spiffe://td/ns/shop/sa/web']},
            connectionPool: {tcp: {maxConnections: 100, connectTimeout: 30ms}, http: {http1MaxPendingRequests: 1, http2MaxRequests: 10, maxRetries: 2, h2UpgradePolicy: UPGRADE}},
            portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}, loadBalancer: {simple: LEAST_REQUEST}}]}}";
    assert_eq!(warnings(Kind::DestinationRule, spec), Vec::<String>::new());
}

#[test]
fn names_what_is_not_built() {
    for policy in [
        "loadBalancer: {consistentHash: {useSourceIp: true}}",
        "loadBalancer: {localityLbSetting: {enabled: true}}",
        "loadBalancer: {warmup: {duration: 1s}}",
        "outlierDetection: {}",
        "tunnel: {targetHost: a}",
        "proxyProtocol: {version: V2}",
        "retryBudget: {}",
        "connectionPool: {tcp: {tcpKeepalive: {}}}",
        "connectionPool: {http: {maxConcurrentStreams: 5}}",
    ] {
        let said = fault(&format!("{{host: a, trafficPolicy: {{{policy}}}}}"));
        assert!(
            said.ends_with(
                "this field of Istio's API is not built yet; remove it to have the rest applied"
            ),
            "{said}"
        );
    }
    assert!(
        fault("{host: a, workloadSelector: {}}").starts_with("spec.workloadSelector: this field")
    );
}

#[test]
fn the_mesh_s_own_tls_is_built_and_other_is_not() {
    let own = "{host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, portLevelSettings: [{port: {number: 80}, tls: {mode: ISTIO_MUTUAL}}]}}";
    assert_eq!(warnings(Kind::DestinationRule, own), Vec::<String>::new());
    let said = fault("{host: a, subsets: [{name: v1, trafficPolicy: {tls: {mode: MUTUAL}}}]}");
    let begin = "spec.subsets[0].trafficPolicy.tls.mode: TLS with a client's certificate that is not the mesh's is not built yet";
    assert!(said.starts_with(begin), "{said}");
    for (tls, begin) in [
        ("sni: a b", "sni: must be a name of at most 255"),
        (
            "subjectAltNames: [web]",
            "subjectAltNames[0]: must be a URI",
        ),
        (
            "clientCertificate: a",
            "clientCertificate: this field of Istio's API is not built yet",
        ),
        ("caCertificates: /a", "caCertificates: must not be set with"),
        (
            "insecureSkipVerify: true",
            "insecureSkipVerify: must not be set with",
        ),
    ] {
        let said = fault(&format!(
            "{{host: a, trafficPolicy: {{tls: {{mode: ISTIO_MUTUAL, {tls}}}}}}}"
        ));
        let begin = format!("spec.trafficPolicy.tls.{begin}");
        assert!(said.starts_with(&begin), "{said}");
    }
}

#[test]
fn simple_tls_names_servers_and_files() {
    for tls in [
        "",
        "caCertificates: system",
        "sni: api.example.com, caCertificates: /etc/ca/roots.pem, subjectAltNames: ['*.example.com', 'https://a.b/c']",
        "insecureSkipVerify: true, sni: a",
        "insecureSkipVerify: false, subjectAltNames: [a]",
    ] {
        let spec = format!(
            "{{host: a, subsets: [{{name: v1, trafficPolicy: {{portLevelSettings: [{{port: {{number: 443}}, tls: {{mode: SIMPLE, {tls}}}}}]}}}}]}}"
        );
        assert_eq!(warnings(Kind::DestinationRule, &spec), Vec::<String>::new());
    }
    for (tls, begin) in [
        (
            "caCertificates: roots.pem",
            "caCertificates: must be the absolute path",
        ),
        (
            "subjectAltNames: ['a b']",
            "subjectAltNames[0]: \"a b\" is no DNS name",
        ),
        (
            "subjectAltNames: [10.0.0.1]",
            "subjectAltNames[0]: IP addresses are not built",
        ),
        (
            "insecureSkipVerify: true, caCertificates: /a",
            "insecureSkipVerify: contradicts caCertificates",
        ),
        (
            "insecureSkipVerify: true, subjectAltNames: [a]",
            "insecureSkipVerify: contradicts caCertificates",
        ),
        (
            "credentialName: a",
            "credentialName: this field of Istio's API is not built",
        ),
    ] {
        let said = fault(&format!(
            "{{host: a, trafficPolicy: {{tls: {{mode: SIMPLE, {tls}}}}}}}"
        ));
        let begin = format!("spec.trafficPolicy.tls.{begin}");
        assert!(said.starts_with(&begin), "{said}");
    }
}

#[test]
fn refuses_what_cannot_be() {
    assert_eq!(fault("{subsets: [{name: v1}]}"), "spec.host: must be set");
    assert_eq!(
        fault("{host: a, subsets: [{name: v1}, {name: v1}]}"),
        "spec.subsets[1].name: another subset has this name already"
    );
    assert!(
        fault("{host: a, subsets: [{labels: {a: b}}]}")
            .starts_with("spec.subsets[0].name: must be set")
    );
    assert_eq!(
        fault("{host: a, trafficPolicy: {}}"),
        "spec.trafficPolicy: is empty: set a field in it, or remove it"
    );
    assert!(fault("{host: a, trafficPolicy: {connectionPool: {}}}").contains("is empty"));
    assert!(
        fault("{host: a, trafficPolicy: {portLevelSettings: [{port: {number: 80}}]}}")
            .contains("is empty: set a field besides port")
    );
    assert!(
        fault("{host: a, trafficPolicy: {portLevelSettings: [{tls: {mode: DISABLE}}]}}")
            .contains("portLevelSettings[0].port: must be set")
    );
    let twice = "{host: a, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {}}, {port: {number: 80}, tls: {}}]}}";
    assert!(
        fault(twice)
            .contains("portLevelSettings[1].port: another element is for this port already")
    );
    assert!(fault("{host: a, trafficPolicy: {connectionPool: {http: {useClientProtocol: true, h2UpgradePolicy: UPGRADE}}}}").contains("contradicts"));
    assert_eq!(
        faults(
            Kind::DestinationRule,
            "{host: a, trafficPolicy: {connectionPool: {tcp: {connectTimeout: 0s}}}}"
        )
        .len(),
        1
    );
}

#[test]
fn bounds_subsets_ports_and_times() {
    let fault = |spec: &str| crate::fault(pillion_api::Kind::DestinationRule, spec);
    let subsets: Vec<String> = (0..257)
        .map(|number| format!("{{name: s{number}}}"))
        .collect();
    assert!(
        fault(&format!("{{host: a, subsets: [{}]}}", subsets.join(", ")))
            .starts_with("spec.subsets: has 257 elements; there can't be more than 256")
    );
    let ports: Vec<String> = (1..258)
        .map(|number| format!("{{port: {{number: {number}}}, loadBalancer: {{simple: RANDOM}}}}"))
        .collect();
    assert!(
        fault(&format!(
            "{{host: a, trafficPolicy: {{portLevelSettings: [{}]}}}}",
            ports.join(", ")
        ))
        .starts_with("spec.trafficPolicy.portLevelSettings: has 257 elements")
    );
    assert!(
        fault("{host: a, trafficPolicy: {connectionPool: {http: {idleTimeout: 87601h}}}}")
            .ends_with("must be at most ten years (87600h)")
    );
}
