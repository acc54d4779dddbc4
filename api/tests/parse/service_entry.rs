//! `ServiceEntry`.

use pillion_api::Kind;

use crate::warnings;

fn fault(text: &str) -> String {
    crate::fault(Kind::ServiceEntry, text)
}

#[test]
fn accepts_dns_and_static() {
    for spec in [
        "{hosts: [a.example.com], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS}]}",
        "{hosts: [a.example.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: b.example.com, ports: {http: 8080}}, {address: 10.0.0.1}]}",
        "{hosts: [a.example.com], addresses: [10.1.1.1], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, targetPort: 8080}], endpoints: [{address: 10.0.0.1, labels: {version: v1}, weight: 2, locality: r/z}], exportTo: ['~']}",
    ] {
        assert_eq!(warnings(Kind::ServiceEntry, spec), Vec::<String>::new());
    }
}

#[test]
fn names_what_is_not_built() {
    let with = |fields: &str| {
        fault(&format!(
            "{{hosts: [a.example.com], ports: [{{number: 80, name: http, protocol: HTTP}}], {fields}}}"
        ))
    };
    assert_eq!(
        with("location: MESH_EXTERNAL"),
        "spec.resolution: NONE (the default) is not built yet; DNS and STATIC are"
    );
    assert!(with("resolution: DNS_ROUND_ROBIN").contains("is not built yet"));
    assert!(with("resolution: DYNAMIC_DNS").contains("is not built yet"));
    assert!(
        with("resolution: STATIC, workloadSelector: {labels: {a: b}}")
            .starts_with("spec.workloadSelector: this field")
    );
    assert!(
        with("resolution: STATIC, addresses: [10.0.0.0/8]").contains("networks are not built yet")
    );
    assert!(
        with("resolution: STATIC, endpoints: [{address: 'unix:///a'}]")
            .contains("Unix sockets are not built yet")
    );
    assert!(
        with("resolution: DNS, subjectAltNames: [a]")
            .starts_with("spec.subjectAltNames: this field")
    );
}

#[test]
fn refuses_what_cannot_be() {
    let ports = "ports: [{number: 80, name: http, protocol: HTTP}]";
    assert!(
        fault(&format!("{{resolution: STATIC, {ports}}}"))
            .starts_with("spec.hosts: must have at least one host")
    );
    assert!(
        fault(&format!("{{hosts: ['*'], resolution: STATIC, {ports}}}"))
            .contains("`*` is no host of a service")
    );
    assert!(
        fault(&format!("{{hosts: ['*.a.com'], resolution: DNS, {ports}}}"))
            .contains("a wildcard can't be resolved by DNS")
    );
    assert!(
        fault(&format!(
            "{{hosts: [a.com], resolution: STATIC, {ports}, endpoints: [{{address: b.com}}]}}"
        ))
        .contains("must be an IP address")
    );
    assert!(fault(&format!("{{hosts: [a.com], resolution: DNS, {ports}, endpoints: [{{address: b.com, ports: {{x: 1}}}}]}}")).contains("no port of this name"));
    assert!(fault("{hosts: [a.com, b.com], resolution: STATIC, ports: [{number: 80, name: tcp, protocol: TCP}]}").contains("which of the hosts"));
    assert!(fault("{hosts: [a.com], resolution: STATIC, ports: [{number: 80, name: a}, {number: 80, name: b}]}").contains("another port has this number"));
    assert!(
        fault(
            "{hosts: [a.com], resolution: STATIC, ports: [{number: 80, name: a, protocol: FTP}]}"
        )
        .contains("must be one of HTTP")
    );
}

/// Every port of every host is a cluster with all of the endpoints.
#[test]
fn bounds_what_multiplies() {
    let list = |count: usize, one: fn(usize) -> String| -> String {
        (0..count).map(one).collect::<Vec<_>>().join(", ")
    };
    let hosts = |count| list(count, |number| format!("h{number}.com"));
    let ports = |count| {
        list(count, |number| {
            format!(
                "{{number: {}, name: p{number}, protocol: HTTP}}",
                number + 1
            )
        })
    };
    let endpoints = |count| {
        list(count, |number| {
            format!("{{address: 10.0.{}.{}}}", number / 256, number % 256)
        })
    };
    let entry = |hosts: String, ports: String, endpoints: String| {
        fault(&format!(
            "{{hosts: [{hosts}], resolution: STATIC, ports: [{ports}], endpoints: [{endpoints}]}}"
        ))
    };
    assert!(entry(hosts(257), ports(1), endpoints(1)).starts_with("spec.hosts: has 257 elements"));
    assert!(entry(hosts(1), ports(257), endpoints(1)).starts_with("spec.ports: has 257 elements"));
    assert!(
        entry(hosts(64), ports(65), endpoints(1))
            .starts_with("spec: has 64 hosts and 65 ports, which multiply to 4160")
    );
    assert!(
        entry(hosts(64), ports(64), endpoints(17))
            .starts_with("spec.endpoints: has 64 hosts and 64 ports and 17 endpoints")
    );
    let addresses = list(65, |number| format!("240.0.0.{number}"));
    let many = fault(&format!(
        "{{hosts: [a.com], addresses: [{addresses}], resolution: STATIC, ports: [{}], endpoints: [{}]}}",
        ports(64),
        endpoints(1)
    ));
    assert!(
        many.starts_with("spec.addresses: has 65 addresses and 64 ports, which multiply to 4160"),
        "{many}"
    );
    let localities = list(1025, |number| {
        format!("{{address: 10.0.0.1, locality: r/z{number}}}")
    });
    assert!(
        entry(hosts(1), ports(1), localities)
            .starts_with("spec.endpoints: have more than 1024 localities")
    );
}

#[test]
fn bounds_the_names_that_dns_is_asked_for() {
    let names = |count: usize, one: fn(usize) -> String| -> String {
        (0..count).map(one).collect::<Vec<_>>().join(", ")
    };
    let ports = "ports: [{number: 80, name: http, protocol: HTTP}]";
    let hosts = names(65, |number| format!("h{number}.com"));
    assert!(
        fault(&format!("{{hosts: [{hosts}], resolution: DNS, {ports}}}"))
            .starts_with("spec.hosts: DNS would be asked for 65 names")
    );
    let endpoints = names(65, |number| format!("{{address: e{number}.com}}"));
    assert!(
        fault(&format!(
            "{{hosts: [a.com], resolution: DNS, {ports}, endpoints: [{endpoints}]}}"
        ))
        .starts_with("spec.endpoints: DNS would be asked for 65 names")
    );
    let spec =
        format!("{{hosts: [{hosts}], resolution: DNS, {ports}, endpoints: [{{address: a.com}}]}}");
    assert_eq!(warnings(Kind::ServiceEntry, &spec), Vec::<String>::new());
}

/// The server name of TLS would be one that neither Envoy nor the proxy takes.
#[test]
fn refuses_a_wildcard_that_is_no_whole_label() {
    assert_eq!(
        fault(
            "{hosts: ['*-eu.example.com'], resolution: STATIC, ports: [{number: 443, name: tls, protocol: TLS}]}"
        ),
        "spec.hosts[0]: a wildcard must be a whole label: `*.example.com`"
    );
}

/// What a gateway would let everybody at: its own ports, and its node's.
#[test]
fn refuses_endpoints_in_the_pod_and_on_the_node() {
    let ports = "ports: [{number: 80, name: http, protocol: HTTP}]";
    for address in [
        "127.0.0.1",
        "'::1'",
        "169.254.169.254",
        "0.0.0.0",
        "'fe80::1'",
    ] {
        let said = fault(&format!(
            "{{hosts: [a.com], resolution: STATIC, {ports}, endpoints: [{{address: {address}}}]}}"
        ));
        assert!(
            said.starts_with("spec.endpoints[0].address: "),
            "{address}: {said}"
        );
    }
    for name in ["localhost", "a.localhost.", "'127.1'"] {
        let said = fault(&format!(
            "{{hosts: [a.com], resolution: DNS, {ports}, endpoints: [{{address: {name}}}]}}"
        ));
        assert!(
            said.starts_with("spec.endpoints[0].address: "),
            "{name}: {said}"
        );
        let said = fault(&format!("{{hosts: [{name}], resolution: DNS, {ports}}}"));
        assert!(said.starts_with("spec.hosts[0]: "), "{name}: {said}");
    }
}
