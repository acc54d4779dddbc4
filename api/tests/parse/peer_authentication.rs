//! `PeerAuthentication`.

use pillion_api::{AnyObject, Kind, MutualTls, MutualTlsMode, PeerAuthenticationSpec};
use serde_json::{Map, Value, json};

use crate::{read, warnings};

const KIND: Kind = Kind::PeerAuthentication;

fn fault(text: &str) -> String {
    crate::fault(KIND, text)
}

#[test]
fn accepts_what_istio_accepts() {
    for spec in [
        "{mtls: {mode: STRICT}}",
        "{mtls: {mode: UNSET}}",
        "{mtls: {}}",
        "{selector: {}, mtls: {mode: PERMISSIVE}}",
        "{selector: {matchLabels: {app: web}}, mtls: {mode: DISABLE}, portLevelMtls: {}}",
        "{selector: {matchLabels: {app: web}}, portLevelMtls: {8080: {mode: STRICT}, 65535: {}}}",
    ] {
        assert_eq!(warnings(KIND, spec), Vec::<String>::new(), "{spec}");
    }
    let spec = "{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}}";
    let Ok((AnyObject::PeerAuthentication(object), _)) = read(KIND, spec) else {
        panic!("{spec}");
    };
    let mode = object.spec.mtls.map(|mtls| mtls.mode);
    assert_eq!(mode, Some(MutualTlsMode::Strict));
    let port = &object.spec.port_level_mtls["8080"];
    assert_eq!(port.mode, MutualTlsMode::Disable);
    let selector = object.spec.selector.unwrap();
    assert_eq!(selector.match_labels["app"], "web");
}

#[test]
fn takes_both_versions() {
    for (version, is_known) in [("v1", true), ("v1beta1", true), ("v1alpha1", false)] {
        let object = json!({
            "apiVersion": format!("security.istio.io/{version}"), "kind": "PeerAuthentication",
            "metadata": {"name": "a"}, "spec": {"mtls": {"mode": "STRICT"}},
        });
        let read = pillion_api::parse(KIND, object);
        assert_eq!(read.is_ok(), is_known, "{version}");
    }
}

#[test]
fn modes_of_ports_are_for_chosen_pods() {
    for spec in [
        "{portLevelMtls: {80: {mode: STRICT}}}",
        "{selector: {}, portLevelMtls: {80: {mode: STRICT}}}",
        "{selector: {matchLabels: {}}, portLevelMtls: {80: {mode: STRICT}}}",
    ] {
        let said = fault(spec);
        assert!(
            said.starts_with(
                "spec.portLevelMtls: is only for chosen pods: set selector.matchLabels"
            ),
            "{said}"
        );
    }
}

#[test]
fn a_port_is_a_number() {
    for port in ["0", "65536", "http", "+80", "080", "-1", "''", "' 80'"] {
        let said = fault(&format!(
            "{{selector: {{matchLabels: {{app: web}}}}, portLevelMtls: {{'{}': {{mode: STRICT}}}}}}",
            port.trim_matches('\'')
        ));
        assert!(
            said.contains("must be the number of a port of the pods, from 1 to 65535"),
            "{port}: {said}"
        );
    }
}

/// A mistake here would leave open what was meant to be closed.
#[test]
fn names_what_is_wrong() {
    for (spec, said) in [
        (
            "{mtls: {mode: MUTUAL}}",
            "spec.mtls.mode: must be one of UNSET, DISABLE, PERMISSIVE, STRICT, not \"MUTUAL\"",
        ),
        ("{mtls: {mode: strict}}", "not \"strict\""),
        (
            "{mtls: STRICT}",
            "spec.mtls: must be an object with fields such as mode",
        ),
        ("{mode: STRICT}", "`mode` belongs in"),
        (
            "{selector: {app: web}, mtls: {}}",
            "spec.selector.app: there is no such field",
        ),
        (
            "{selector: {matchLabels: {'a b': c}}, mtls: {}}",
            "the key of a label",
        ),
        (
            "{selector: {matchLabels: {a: '*'}}, mtls: {}}",
            "spec.selector.matchLabels",
        ),
    ] {
        let fault = fault(spec);
        assert!(fault.contains(said), "{fault}");
    }
}

#[test]
fn warns_of_one_that_says_nothing() {
    for spec in ["{}", "{selector: {matchLabels: {app: web}}}"] {
        let said = warnings(KIND, spec);
        assert_eq!(
            said,
            ["spec: says nothing: set mtls.mode to STRICT, PERMISSIVE or DISABLE"]
        );
    }
}

#[test]
fn bounds_ports() {
    let ports = |count: u16| {
        let ports: Vec<String> = (1..=count).map(|port| format!("{port}: {{}}")).collect();
        format!(
            "{{selector: {{matchLabels: {{app: web}}}}, portLevelMtls: {{{}}}}}",
            ports.join(", ")
        )
    };
    assert_eq!(warnings(KIND, &ports(256)), Vec::<String>::new());
    assert!(fault(&ports(257)).contains("there can't be more than 256"));
}

/// The valid part of an invalid spec.
fn in_part(spec: Value) -> Option<PeerAuthenticationSpec> {
    let object = json!({
        "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": {"name": "a", "namespace": "shop"}, "spec": spec,
    });
    assert!(
        pillion_api::parse(KIND, object.clone()).is_err(),
        "{object}"
    );
    let object = pillion_api::peer_authentication_in_part(&object)?;
    assert_eq!(object.metadata.namespace, "shop");
    Some(object.spec)
}

/// Ignoring it would leave ports open that it closes.
#[test]
fn what_is_invalid_holds_as_far_as_it_can_be_read() {
    let strict = MutualTls {
        mode: MutualTlsMode::Strict,
    };
    // Ports without chosen pods.
    let spec =
        in_part(json!({"mtls": {"mode": "STRICT"}, "portLevelMtls": {"80": {"mode": "DISABLE"}}}));
    let spec = spec.unwrap();
    assert_eq!((spec.selector, spec.mtls), (None, Some(strict.clone())));
    assert!(spec.port_level_mtls.is_empty());
    // Keys that are no ports.
    let selector = json!({"matchLabels": {"app": "web"}});
    let spec = in_part(json!({"selector": selector, "mtls": {"mode": "PERMISSIVE"},
        "portLevelMtls": {"80": {"mode": "STRICT"}, "http": {"mode": "DISABLE"}, "0": {}}}));
    let spec = spec.unwrap();
    assert_eq!(spec.selector.unwrap().match_labels["app"], "web");
    assert_eq!(spec.mtls.unwrap().mode, MutualTlsMode::Unset);
    assert_eq!(spec.port_level_mtls, [("80".to_owned(), strict)].into());
    // Labels that no pod can have select none.
    let selector = json!({"matchLabels": {"app": "*"}});
    let spec = in_part(json!({"selector": selector, "mtls": {"mode": "STRICT"}}));
    assert_eq!(spec.unwrap().selector.unwrap().match_labels["app"], "*");
}

#[test]
fn a_mode_that_cannot_be_read_is_strict() {
    for mtls in [
        json!("STRICT"),
        json!({"mode": "MUTUAL"}),
        json!({"mode": 1}),
        json!({"mod": "DISABLE"}),
        json!([]),
    ] {
        let spec = in_part(json!({"mtls": mtls})).unwrap();
        assert_eq!(spec.mtls.unwrap().mode, MutualTlsMode::Strict, "{mtls}");
        let selector = json!({"matchLabels": {"app": "web"}});
        let spec = in_part(json!({"selector": selector, "portLevelMtls": {"80": mtls}})).unwrap();
        let port = &spec.port_level_mtls["80"];
        assert_eq!(
            (spec.mtls, port.mode),
            (None, MutualTlsMode::Strict),
            "{mtls}"
        );
    }
}

/// A valid one may be stored beside it, or may have been there before.
#[test]
fn nothing_holds_that_closes_nothing() {
    let ports = json!({"http": {}});
    for mode in [
        json!({}),
        json!({"mode": null}),
        json!({"mode": "UNSET"}),
        json!({"mode": "PERMISSIVE"}),
        json!({"mode": "DISABLE"}),
    ] {
        let spec = in_part(json!({"mtls": mode, "portLevelMtls": ports}));
        assert_eq!(spec, None, "{mode}");
        // What it does not close comes from the wider scope.
        let ports = json!({"80": {"mode": "STRICT"}, "81": mode, "http": {}});
        let selector = json!({"matchLabels": {"app": "web"}});
        let spec = in_part(json!({"selector": selector, "mtls": mode, "portLevelMtls": ports}));
        let spec = spec.unwrap();
        assert_eq!(spec.mtls.unwrap().mode, MutualTlsMode::Unset, "{mode}");
        let port = |number: &str| spec.port_level_mtls[number].mode;
        assert_eq!(
            (port("80"), port("81")),
            (MutualTlsMode::Strict, MutualTlsMode::Unset),
            "{mode}"
        );
    }
    assert_eq!(in_part(json!({"portLevelMtls": ports})), None);
}

/// It may be meant for other pods.
#[test]
fn nothing_holds_if_it_cannot_be_read_for_which_pods_it_is() {
    let strict = json!({"mode": "STRICT"});
    for selector in [
        json!("web"),
        json!({"app": "web"}),
        json!({"matchLabels": ["web"]}),
        json!({"matchLabels": {"app": 1}}),
        json!({"matchLabels": {"app": "web", "version": null}}),
    ] {
        let spec = in_part(json!({"selector": selector, "mtls": strict}));
        assert_eq!(spec, None, "{selector}");
    }
    assert_eq!(in_part(json!("STRICT")), None);
}

#[test]
fn of_too_many_ports_the_first_hold() {
    let ports: Map<String, Value> = (1..=300)
        .map(|port| (port.to_string(), json!({"mode": "STRICT"})))
        .collect();
    let selector = json!({"matchLabels": {"app": "web"}});
    let spec = in_part(json!({"selector": selector, "portLevelMtls": ports})).unwrap();
    assert_eq!(spec.port_level_mtls.len(), 256);
}
