//! Which values the chart accepts and refuses.

use pillion_envtest::chart::{VARIANTS, helm};

use super::objects::try_template;

#[test]
fn lint_finds_nothing() {
    for values in VARIANTS {
        let output = helm()
            .unwrap()
            .args(["lint", "--strict", "--quiet", "."])
            .args(*values)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
        assert!(output.status.success(), "{values:?}: {}", said.concat());
        assert_eq!(said[0].trim(), "", "{values:?}");
    }
}

#[test]
fn refuses_values_that_it_does_not_know() {
    for (values, complaint) in [
        ("replicaCount=3", "'replicaCount' not allowed"),
        ("injector.replicas=3", "'replicas' not allowed"),
        ("global.prxy.image=x", "'prxy' not allowed"),
        ("global.proxy.privileged=true", "'privileged' not allowed"),
        ("pilot.cni.enabled=true", "'pilot' not allowed"),
        ("injector.replicaCount=two", "got string, want integer"),
        ("global.nativeSidecars=maybe", "value must be one of"),
        ("global.proxy.autoInject=on", "value must be one of"),
        ("global.proxy.excludeInboundPorts=80-90", "does not match"),
        ("global.proxy.includeIPRanges=10.0.0.1", "does not match"),
        (
            "sidecarInjectorWebhook.injectionURL=http://x",
            "does not match",
        ),
        ("revision=Canary", "does not match"),
        (
            "sidecarInjectorWebhook.guards.hostPath=true",
            "'hostPath' not allowed",
        ),
        (
            "sidecarInjectorWebhook.guards.captureExclusion=yes",
            "got string, want boolean",
        ),
        (
            "injector.networkPolicy.ingress.cidrs={10.0.0.1}",
            "does not match",
        ),
        (
            "injector.networkPolicy.ingress.from[0].pods=a",
            "'pods' not allowed",
        ),
        ("injector.clientCA.key=../key", "does not match"),
        ("injector.logFormat=yaml", "value must be one of"),
        (
            "discovery.workloadCertificateLifetime=soon",
            "does not match",
        ),
        (
            "discovery.maxWorkloadCertificateLifetime=0h",
            "does not match",
        ),
        ("discovery.caOverlap=1s", "does not match"),
        ("global.imagePullPolicy=Sometimes", "value must be one of"),
        ("global.proxy.logLevel=loud", "value must be one of"),
        (
            "sidecarInjectorWebhook.reinvocationPolicy=Always",
            "value must be one of",
        ),
        ("meshConfig.accessLogEncoding=YAML", "value must be one of"),
        ("meshConfig.accessLogFile=stdout", "does not match"),
        (
            "meshConfig.outboundTrafficPolicy.mode=REGISTRY",
            "value must be one of",
        ),
        (
            "meshConfig.defaultConfig.interceptionMode=TPROXY",
            "value must be one of",
        ),
        (
            "meshConfig.defaultConfig.proxyMetadata.ISTIO_META_DNS_CAPTURE=true",
            "value must be one of",
        ),
    ] {
        let error = try_template("istio-system", &["--set", values]).expect_err(values);
        assert!(error.contains(complaint), "{values}: {error}");
    }
}

#[test]
fn refuses_a_tag_that_is_the_revision() {
    for values in [
        "revisionTags={default}",
        "revision=canary,revisionTags={canary}",
    ] {
        let error = try_template("istio-system", &["--set", values]).expect_err(values);
        assert!(error.contains("injected twice"), "{values}: {error}");
    }
}

#[test]
fn refuses_cert_managers_injection_without_its_secret() {
    let annotation =
        r#"injector.webhookAnnotations={"cert-manager.io/inject-ca-from":"istio-system/injector"}"#;
    let values = ["--set-json", annotation];
    let error = try_template("istio-system", &values).unwrap_err();
    assert!(error.contains("certificateSecret"), "{error}");
    let values = [
        "--set-json",
        annotation,
        "--set",
        "injector.certificateSecret=mine",
    ];
    assert!(try_template("istio-system", &values).is_ok());
}

#[test]
fn refuses_a_control_plane_elsewhere() {
    let values = ["--set", "global.istioNamespace=other"];
    let error = try_template("mesh", &values).unwrap_err();
    assert!(error.contains("install with -n other"), "{error}");
}

#[test]
fn refuses_a_client_ca_that_is_not_clear() {
    for (values, complaint) in [
        (
            "injector.clientCA.configMap=one,injector.clientCA.secret=two",
            "remove one of them",
        ),
        ("injector.clientCA.names={one}", "but no CA"),
    ] {
        let error = try_template("istio-system", &["--set", values]).expect_err(values);
        assert!(error.contains(complaint), "{values}: {error}");
    }
}

/// What `pillion discovery` would refuse when it starts, by flags that nobody has set.
#[test]
fn refuses_lifetimes_that_discovery_can_t_keep() {
    let refused = |values: &str| {
        let error = try_template("istio-system", &["--set", values]).expect_err(values);
        assert!(!error.contains("--ca-"), "{values}: {error}");
        error
    };
    let error = refused("discovery.workloadCertificateLifetime=90d");
    assert!(
        error.contains("discovery.workloadCertificateLifetime is 90d"),
        "{error}"
    );
    assert!(
        error.contains("discovery.maxWorkloadCertificateLifetime, 24h"),
        "{error}"
    );
    let error = refused("discovery.maxWorkloadCertificateLifetime=1825d");
    assert!(error.contains("shorten one of them"), "{error}");
    let error = refused("discovery.caOverlap=2000d");
    assert!(
        error.contains("discovery.caOverlap is 2000d, but must be at most 608d"),
        "{error}"
    );
    refused("discovery.caOverlap=99999999d");
    for values in [
        "discovery.workloadCertificateLifetime=1440m",
        "discovery.workloadCertificateLifetime=90d,discovery.maxWorkloadCertificateLifetime=2160h",
        "discovery.maxWorkloadCertificateLifetime=1824d",
        "discovery.caOverlap=456d",
        "discovery.caOverlap=2000d,discovery.enabled=false",
    ] {
        try_template("istio-system", &["--set", values]).expect(values);
    }
}

/// An upgrade with --reuse-values has the values of the chart before, in which newer keys are missing.
#[test]
fn says_how_to_upgrade_where_values_are_missing() {
    for (values, missing) in [
        ("discovery.caOverlap=null", "discovery.caOverlap"),
        (
            "discovery.mutualTls=null,discovery.workloadCertificateLifetime=null,discovery.maxWorkloadCertificateLifetime=null",
            "discovery.maxWorkloadCertificateLifetime, discovery.mutualTls, discovery.workloadCertificateLifetime",
        ),
        ("discovery.statuses=null", "discovery.statuses"),
        ("discovery=null", "discovery.enabled"),
        (
            "crds=null,injector.clientCA=null",
            "crds, injector.clientCA",
        ),
    ] {
        let error = try_template("istio-system", &["--set", values]).expect_err(values);
        let expected = format!("missing or null: {missing}.");
        assert!(error.contains(&expected), "{values}: {error}");
        assert!(error.contains("--reset-then-reuse-values"), "{error}");
    }
    let off = "discovery.enabled=false,discovery.caOverlap=null";
    try_template("istio-system", &["--set", off]).expect(off);
}

#[test]
fn points_to_the_way_to_plug_in_a_ca() {
    let values = "global.caAddress=cert-manager-istio-csr.cert-manager.svc:443";
    let error = try_template("istio-system", &["--set", values]).expect_err(values);
    assert!(error.contains("global.caAddress is"), "{error}");
    assert!(
        error.contains("Secret cacerts (docs/identity.md)"),
        "{error}"
    );
    // As it is in values that are reused, and in Istio's own.
    let empty = "global.caAddress=";
    try_template("istio-system", &["--set", empty]).expect(empty);
}
