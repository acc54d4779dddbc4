//! Capture that a pod switches off.

use super::*;

#[test]
fn finds_templates_that_capture_nothing_beside_an_app() {
    let guard = Guard::TemplatesWithoutCapture;
    let name = "inject.istio.io/templates";
    let pod = annotated(name, "gateway");
    assert_found(guard, &pod, &[name, "gateway"]);
    let mut sidecar = annotated(name, "gateway");
    sidecar["spec"]["containers"] = json!([{"name": "istio-proxy", "image": "auto"}]);
    assert_harmless(&sidecar);
    sidecar["spec"]["initContainers"] =
        json!([{"name": "app", "image": "x", "restartPolicy": "Always"}]);
    assert_found(guard, &sidecar, &["gateway"]);
    assert_harmless(&annotated(name, "sidecar"));
    assert_harmless(&annotated(name, "gateway,sidecar"));
}

#[test]
fn finds_interception_that_is_switched_off() {
    let guard = Guard::InterceptionModeNone;
    let pod = annotated("sidecar.istio.io/interceptionMode", "NONE");
    assert_found(guard, &pod, &["NONE"]);
    let config = annotated("proxy.istio.io/config", "interceptionMode: NONE");
    assert_found(guard, &config, &["NONE"]);
    // The mesh's own choice is none of the pod's.
    let mesh = configured(&json!({}), "defaultConfig: {interceptionMode: NONE}");
    assert_eq!(found(&mesh, &pod).0, []);
}

/// A pod with these annotations of `traffic.sidecar.istio.io`.
fn traffic(annotations: &[(&str, &str)]) -> Value {
    let annotations: Value = annotations
        .iter()
        .map(|(name, value)| (format!("traffic.sidecar.istio.io/{name}"), json!(value)))
        .collect();
    web(annotations, json!({}))
}

#[test]
fn finds_traffic_that_is_excluded_as_a_whole() {
    const EXCLUDE: &str = "excludeOutboundIPRanges";
    const INCLUDE: &str = "includeOutboundIPRanges";
    for (annotations, says) in [
        (&[(EXCLUDE, "0.0.0.0/0")][..], "outbound IPv4"),
        (&[(EXCLUDE, "0.0.0.0/1, 128.0.0.0/1")], "outbound IPv4"),
        (&[(EXCLUDE, "::/0")], "outbound IPv6"),
        (&[(EXCLUDE, "0.0.0.0/0,::/0")], "outbound traffic"),
        // Multicast and loopback may be left out.
        (
            &[(EXCLUDE, "0.0.0.0/1,128.0.0.0/2,192.0.0.0/3")],
            "outbound IPv4",
        ),
        (
            &[(EXCLUDE, "10.0.0.0/7"), (INCLUDE, "10.0.0.0/8")],
            "outbound",
        ),
        (&[(INCLUDE, "")], "outbound traffic"),
        (&[(INCLUDE, "127.0.0.0/8")], "outbound traffic"),
        (
            &[(INCLUDE, ""), ("includeOutboundPorts", "0")],
            "outbound traffic",
        ),
        (
            &[
                (INCLUDE, ""),
                ("includeOutboundPorts", "80"),
                (EXCLUDE, "0.0.0.0/0,::/0"),
            ],
            "outbound traffic",
        ),
        (&[("includeInboundPorts", "")], "inbound traffic"),
        (&[("includeInboundPorts", "0")], "inbound traffic"),
        (&[("excludeInterfaces", "net1,eth0")], "eth0"),
        (&[("excludeInterfaces", "eth+")], "eth0"),
        (&[("kubevirtInterfaces", "eth0")], "eth0"),
    ] {
        assert_found(Guard::CaptureExclusion, &traffic(annotations), &[says]);
    }
    let rerouted = annotated("istio.io/reroute-virtual-interfaces", "+");
    assert_found(Guard::CaptureExclusion, &rerouted, &["eth0"]);
}

#[test]
fn leaves_traffic_that_is_excluded_in_part() {
    let many: Vec<_> = (0..2000)
        .map(|n| format!("11.{}.{}.0/24", n / 250, n % 250))
        .collect();
    for annotations in [
        &[("excludeOutboundIPRanges", many.join(",").as_str())][..],
        &[("excludeOutboundIPRanges", "0.0.0.0/1")],
        &[
            ("excludeOutboundIPRanges", "10.0.0.0/8"),
            ("includeOutboundIPRanges", "10.0.0.0/7"),
        ],
        &[("includeOutboundIPRanges", "10.96.0.0/12")],
        &[
            ("includeOutboundIPRanges", ""),
            ("includeOutboundPorts", "80,443"),
        ],
        &[("includeInboundPorts", "8080")],
        &[
            ("excludeInboundPorts", "22,9100"),
            ("excludeOutboundPorts", "3306"),
        ],
        &[("excludeInterfaces", "net1,eth1,eth01")],
        &[("kubevirtInterfaces", "k6t-eth0")],
    ] {
        assert_harmless(&traffic(annotations));
    }
}

#[test]
fn leaves_what_the_values_exclude_themselves() {
    let values =
        json!({"global": {"proxy": {"includeInboundPorts": "", "excludeIPRanges": "::/0"}}});
    let config = configured(&values, "");
    assert_eq!(found(&config, &web(json!({}), json!({}))).0, []);
    let pod = traffic(&[("excludeOutboundIPRanges", "::/0,10.0.0.0/8")]);
    assert_eq!(found(&config, &pod).0, []);
    let pod = traffic(&[("excludeOutboundIPRanges", "::/0,0.0.0.0/0")]);
    assert_eq!(found(&config, &pod).0, [Guard::CaptureExclusion]);
}

#[test]
fn leaves_the_capture_of_a_gateway_which_has_none() {
    let mut pod = traffic(&[("includeInboundPorts", "")]);
    let annotations = &mut pod["metadata"]["annotations"];
    annotations["inject.istio.io/templates"] = json!("gateway");
    annotations["sidecar.istio.io/interceptionMode"] = json!("NONE");
    pod["spec"]["containers"] = json!([{"name": "istio-proxy", "image": "auto"}]);
    pod["spec"]["securityContext"] = json!({"runAsUser": 1337, "runAsGroup": 1337});
    assert_harmless(&pod);
}
