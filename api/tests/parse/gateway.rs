//! `Gateway`.

use pillion_api::Kind;

use crate::warnings;

fn fault(text: &str) -> String {
    crate::fault(Kind::Gateway, text)
}

/// The fault of a server with these fields.
fn server(fields: &str) -> String {
    fault(&format!("{{servers: [{{{fields}}}]}}"))
}

#[test]
fn accepts_http_and_tcp() {
    let spec = "{selector: {istio: ingressgateway}, servers: [
        {port: {number: 80, name: http, protocol: http}, hosts: ['*', shop/a.example.com, './*.example.com', 10.0.0.1], tls: {httpsRedirect: true}},
        {port: {number: 31400, name: tcp, protocol: TCP}, hosts: ['*']}]}";
    assert_eq!(warnings(Kind::Gateway, spec), Vec::<String>::new());
}

#[test]
fn names_what_is_not_built() {
    let port = "port: {number: 443, name: https, protocol: HTTP}, hosts: ['*']";
    for tls in [
        "credentialName: a",
        "serverCertificate: a",
        "minProtocolVersion: TLSV1_2",
    ] {
        let field = tls.split(':').next().unwrap();
        assert!(
            server(&format!("{port}, tls: {{{tls}}}")).starts_with(&format!(
                "spec.servers[0].tls.{field}: this field of Istio's API is not built yet"
            ))
        );
    }
    let tcp =
        "port: {number: 80, name: tcp, protocol: TCP}, hosts: ['*'], tls: {httpsRedirect: true}";
    assert!(server(tcp).contains("httpsRedirect: is only for servers whose protocol is HTTP"));
    assert!(
        server(&format!("{port}, bind: 127.0.0.1")).starts_with("spec.servers[0].bind: this field")
    );
}

/// Whoever was told to remove one field after the other found out last that nothing of it works.
#[test]
fn says_once_that_tls_is_not_built() {
    let tls = "TLS at gateways is not built yet (HTTPS, TLS); HTTP and TCP are";
    let secret = "credentialName: a, minProtocolVersion: TLSV1_2";
    for protocol in ["HTTPS", "TLS", "https"] {
        let port = format!("port: {{number: 443, name: a, protocol: {protocol}}}");
        for rest in [
            "hosts: ['*']".to_owned(),
            format!("hosts: ['*'], tls: {{mode: SIMPLE, {secret}}}"),
            format!("hosts: ['*'], tls: {{{secret}}}"),
            "hosts: [reviews]".to_owned(),
        ] {
            assert_eq!(
                server(&format!("{port}, {rest}")),
                format!("spec.servers[0].port.protocol: {tls}"),
                "{rest}"
            );
        }
    }
    let http = "port: {number: 443, name: a, protocol: HTTP}, hosts: ['*']";
    assert_eq!(
        server(&format!("{http}, tls: {{mode: SIMPLE, {secret}}}")),
        format!("spec.servers[0].tls.mode: {tls}")
    );
    assert_eq!(
        warnings(
            Kind::Gateway,
            &format!("{{servers: [{{{http}, tls: {{mode: ''}}}}]}}")
        ),
        Vec::<String>::new()
    );
    // What is wrong with another server is said, too.
    let two = format!(
        "{{servers: [{{port: {{number: 443, name: b, protocol: TLS}}}}, {{{http}, bind: 127.0.0.1}}]}}"
    );
    let faults = crate::faults(Kind::Gateway, &two);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults[1].starts_with("spec.servers[1].bind: "),
        "{faults:?}"
    );
}

#[test]
fn refuses_what_cannot_be() {
    assert_eq!(
        fault("{selector: {a: b}}"),
        "spec.servers: must have at least one server"
    );
    assert!(
        server("port: {number: 80, name: http, protocol: HTTP}")
            .starts_with("spec.servers[0].hosts: must have at least one host")
    );
    assert!(
        server("port: {number: 80, protocol: HTTP}, hosts: ['*']")
            .starts_with("spec.servers[0].port.name: must be set")
    );
    assert!(
        server("port: {name: http, protocol: HTTP}, hosts: ['*']")
            .starts_with("spec.servers[0].port.number: must be a number")
    );
    assert!(
        server("port: {number: 80, name: http, protocol: FTP}, hosts: ['*']")
            .contains("must be one of HTTP, HTTP2")
    );
    let host = |host: &str| {
        server(&format!(
            "port: {{number: 80, name: http, protocol: HTTP}}, hosts: ['{host}']"
        ))
    };
    assert!(host("reviews").contains("must be a full DNS name"));
    assert!(host("*-a.example.com").contains("a wildcard must be a whole label"));
    assert!(host("a b/a.example.com").contains("the part in front of `/`"));
    let twice = "{servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ['*']}, {port: {number: 81, name: a, protocol: HTTP}, hosts: ['*']}]}";
    assert_eq!(
        fault(twice),
        "spec.servers[1].port.name: another server's port has this name already"
    );
}

#[test]
fn bounds_servers_and_their_hosts() {
    let server = |hosts: &str| {
        format!("{{port: {{number: 80, name: a, protocol: HTTP}}, hosts: [{hosts}]}}")
    };
    let servers: Vec<String> = (0..65)
        .map(|number| {
            format!("{{port: {{number: 80, name: p{number}, protocol: HTTP}}, hosts: [a.com]}}")
        })
        .collect();
    assert!(
        crate::fault(
            pillion_api::Kind::Gateway,
            &format!("{{servers: [{}]}}", servers.join(", "))
        )
        .starts_with("spec.servers: has 65 elements; there can't be more than 64")
    );
    let hosts: Vec<String> = (0..257).map(|number| format!("h{number}.com")).collect();
    assert!(
        crate::fault(
            pillion_api::Kind::Gateway,
            &format!("{{servers: [{}]}}", server(&hosts.join(", ")))
        )
        .starts_with("spec.servers[0].hosts: has 257 elements; there can't be more than 256")
    );
}
