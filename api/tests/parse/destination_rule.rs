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
fn the_mesh_s_own_tls_names_workloads_and_no_files() {
    let own = "{host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, portLevelSettings: [{port: {number: 80}, tls: {mode: ISTIO_MUTUAL}}]}}";
    assert_eq!(warnings(Kind::DestinationRule, own), Vec::<String>::new());
    for (tls, begin) in [
        ("sni: a b", "sni: must be a name of at most 255"),
        (
            "subjectAltNames: [web]",
            "subjectAltNames[0]: must be a URI",
        ),
        (
            "clientCertificate: /a",
            "clientCertificate: must not be set with ISTIO_MUTUAL",
        ),
        (
            "privateKey: /a",
            "privateKey: must not be set with ISTIO_MUTUAL",
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
fn mutual_tls_with_others_names_two_files() {
    let of = |tls: &str| format!("{{host: a, trafficPolicy: {{tls: {{mode: MUTUAL, {tls}}}}}}}");
    let files = "clientCertificate: /etc/client/tls.crt, privateKey: /etc/client/tls.key";
    for tls in [
        "",
        "sni: api.example.com, caCertificates: /etc/ca/roots.pem, subjectAltNames: ['*.example.com', 'https://a.b/c']",
        "insecureSkipVerify: true, caCertificates: ''",
    ] {
        let spec = of(&format!("{files}, {tls}"));
        assert_eq!(warnings(Kind::DestinationRule, &spec), Vec::<String>::new());
    }
    let path = "must be the absolute path of a file in the proxy's container";
    let long = format!("clientCertificate: /{}, privateKey: /b", "a".repeat(1_024));
    for (tls, field) in [
        ("privateKey: /b", "clientCertificate"),
        ("clientCertificate: /a", "privateKey"),
        ("clientCertificate: '', privateKey: /b", "clientCertificate"),
        ("clientCertificate: a, privateKey: /b", "clientCertificate"),
        ("clientCertificate: /a, privateKey: \"/b\\0\"", "privateKey"),
        (long.as_str(), "clientCertificate"),
    ] {
        let said = fault(&of(tls));
        let begin = format!("spec.trafficPolicy.tls.{field}: {path}");
        assert!(said.starts_with(&begin), "{said}");
    }
    assert_eq!(faults(Kind::DestinationRule, &of("")).len(), 2);
    for (tls, begin) in [
        (
            "credentialName: a",
            "credentialName: this field of Istio's API is not built",
        ),
        (
            "insecureSkipVerify: true, caCertificates: /a",
            "insecureSkipVerify: contradicts caCertificates",
        ),
        (
            "subjectAltNames: ['a b']",
            "subjectAltNames[0]: \"a b\" is no DNS name",
        ),
    ] {
        let said = fault(&of(&format!("{files}, {tls}")));
        let begin = format!("spec.trafficPolicy.tls.{begin}");
        assert!(said.starts_with(&begin), "{said}");
    }
}

/// As Istio does it.
#[test]
fn a_certificate_that_nobody_shows_is_told() {
    for mode in ["SIMPLE", "DISABLE"] {
        let spec = format!(
            "{{host: a, trafficPolicy: {{tls: {{mode: {mode}, clientCertificate: a, privateKey: /b}}}}}}"
        );
        let told = warnings(Kind::DestinationRule, &spec);
        let begins = ["clientCertificate", "privateKey"]
            .map(|field| format!("spec.trafficPolicy.tls.{field}: has no effect"));
        assert_eq!(told.len(), 2, "{told:?}");
        for (told, begin) in told.iter().zip(begins) {
            assert!(told.starts_with(&begin), "{told}");
        }
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
