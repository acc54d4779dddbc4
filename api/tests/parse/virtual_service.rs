//! `VirtualService`.

mod actions;
mod bounds;
mod matches;

use pillion_api::{AnyObject, Kind, StringMatch, WarningKind};

use crate::{read, warnings};

fn fault(text: &str) -> String {
    crate::fault(Kind::VirtualService, text)
}

/// The fault of a route with these fields besides its destination.
fn with(fields: &str) -> String {
    fault(&format!(
        "{{hosts: [a], http: [{{{fields}, route: [{{destination: {{host: a}}}}]}}]}}"
    ))
}

/// The fault of a route with this condition.
fn condition(text: &str) -> String {
    let said = with(&format!("match: [{{{text}}}]"));
    said.strip_prefix("spec.http[0].match[0]")
        .unwrap_or(&said)
        .to_owned()
}

#[test]
fn refuses_hosts_that_cannot_be() {
    assert!(
        fault("{http: [{route: [{destination: {host: a}}]}]}")
            .contains("a VirtualService without hosts (a delegate) is not built yet")
    );
    assert!(
        fault("{hosts: ['*'], http: [{route: [{destination: {host: a}}]}]}")
            .starts_with("spec.hosts[0]: `*` is only for gateways")
    );
    assert!(
        fault("{hosts: ['*'], gateways: [g, mesh], http: [{route: [{destination: {host: a}}]}]}")
            .contains("only for gateways")
    );
    assert!(
        fault("{hosts: ['a_b'], http: [{route: [{destination: {host: a}}]}]}")
            .contains("is no DNS name")
    );
    assert!(
        fault("{hosts: [a.com, '*.com'], http: [{route: [{destination: {host: a}}]}]}")
            .contains("a.com is in the list already, as *.com")
    );
}

#[test]
fn accepts_hosts_that_can_be() {
    let spec = "{hosts: [reviews, '*.example.com', 10.0.0.1, '::1', reviews.shop.svc.cluster.local], http: [{route: [{destination: {host: a}}]}]}";
    assert_eq!(warnings(Kind::VirtualService, spec), Vec::<String>::new());
    let spec = "{hosts: ['*'], gateways: [g, shop/g], http: [{route: [{destination: {host: a}}]}]}";
    assert_eq!(warnings(Kind::VirtualService, spec), Vec::<String>::new());
}

#[test]
fn sees_a_rule_that_a_dash_has_split() {
    let said = fault(
        "{hosts: [a], http: [{match: [{uri: {prefix: /a}}]}, {route: [{destination: {host: a}}]}]}",
    );
    assert!(said.ends_with("is the route in the next element meant, which has no match? Then remove the `-` in front of it"), "{said}");
}

#[test]
fn names_what_is_not_built() {
    for field in [
        "fault: {abort: {httpStatus: 500}}",
        "mirror: {host: a}",
        "mirrors: [{}]",
        "mirrorPercentage: {value: 1}",
        "corsPolicy: {}",
        "delegate: {name: a}",
    ] {
        let said = with(field);
        let name = field.split(':').next().unwrap();
        assert_eq!(
            said,
            format!(
                "spec.http[0].{name}: this field of Istio's API is not built yet; remove it to have the rest applied"
            )
        );
    }
    assert!(
        fault("{hosts: [a], tls: [{match: [{sniHosts: [a]}]}]}")
            .starts_with("spec.tls: this field of Istio's API is not built yet")
    );
}

#[test]
fn warns_of_rules_that_nothing_reaches() {
    let said = warnings(
        Kind::VirtualService,
        "{hosts: [a], http: [
            {match: [{uri: {prefix: /a}}], route: [{destination: {host: a}}]},
            {match: [{uri: {prefix: /a}}], route: [{destination: {host: a}}]},
            {match: [{uri: {prefix: /}}], route: [{destination: {host: a}}]},
            {match: [{uri: {prefix: /b}}], route: [{destination: {host: a}}]}],
          tcp: [{route: [{destination: {host: a}}]}, {route: [{destination: {host: b}}]}]}",
    );
    assert_eq!(
        said,
        [
            "spec.http[1]: is never used, because spec.http[0] has the same conditions",
            "spec.http[3]: is never used, because spec.http[2] matches every request",
            "spec.tcp[1]: is never used, because spec.tcp[0] matches every connection",
        ]
    );
}

/// As Istio: a rule all of whose conditions are others' is never used; else, single conditions are.
#[test]
fn warns_of_conditions_that_earlier_rules_have() {
    let spec = "{hosts: [a], http: [
        {match: [{uri: {prefix: /a}}], route: [{destination: {host: a}}]},
        {match: [{uri: {prefix: /b}}, {uri: {prefix: /b}}], route: [{destination: {host: a}}]},
        {match: [{uri: {prefix: /b}}, {uri: {prefix: /a}}], route: [{destination: {host: a}}]},
        {match: [{uri: {prefix: /b}}, {uri: {prefix: /c}}], route: [{destination: {host: a}}]}]}";
    let (_, said) = read(Kind::VirtualService, spec).unwrap();
    let said: Vec<_> = said.iter().map(|one| (one.kind, one.to_string())).collect();
    let same = "is never used, because spec.http[1] has the same conditions";
    assert_eq!(
        said,
        [
            (WarningKind::Duplicate, format!("spec.http[1].match[1]: {same}")),
            (
                WarningKind::NeverUsed,
                "spec.http[2]: is never used, because spec.http[0] and other earlier rules have all its conditions".into()
            ),
            (WarningKind::Duplicate, format!("spec.http[3].match[0]: {same}")),
        ]
    );
}

#[test]
fn warns_of_what_has_no_effect() {
    let spec = "{hosts: [a], http: [{match: [{statPrefix: a, uri: {exact: '/a?b'}}], route: [{destination: {host: a}}]}]}";
    let said = warnings(Kind::VirtualService, spec);
    assert_eq!(said.len(), 2, "{said:?}");
}

#[test]
fn refuses_tcp_routes_that_cannot_be() {
    assert!(
        fault("{hosts: [a], tcp: [{match: [{port: 80}]}]}")
            .starts_with("spec.tcp[0].route: must say where connections go")
    );
    let said = fault(
        "{hosts: [a], tcp: [{match: [{destinationSubnets: ['10.0.0.0/33']}], route: [{destination: {host: a}}]}]}",
    );
    assert!(
        said.contains("is neither an address nor a network"),
        "{said}"
    );
}

#[test]
fn refuses_exports_that_cannot_be() {
    let export = |list: &str| {
        crate::faults(
            Kind::VirtualService,
            &format!(
                "{{hosts: [a], exportTo: [{list}], http: [{{route: [{{destination: {{host: a}}}}]}}]}}"
            ),
        )
    };
    assert_eq!(export("., other"), Vec::<String>::new());
    assert_eq!(
        export("'*', other"),
        ["spec.exportTo[0]: `*` is all namespaces: it must be alone"]
    );
    assert_eq!(
        export("., shop"),
        ["spec.exportTo[1]: shop is in the list already"]
    );
    assert_eq!(
        export("'~'"),
        ["spec.exportTo[0]: `~` (nobody) is only for a ServiceEntry"]
    );
}
