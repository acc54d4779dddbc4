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
