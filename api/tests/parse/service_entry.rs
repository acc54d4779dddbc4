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
