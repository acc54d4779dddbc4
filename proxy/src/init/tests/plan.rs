//! What flags and variables come to.

use clap::CommandFactory as _;

use super::{super::values::Port, *};

#[test]
fn the_proxy_s_user_is_envoy_user_s_or_1337() {
    let uids = |variables: &[_]| planned(&[], variables).unwrap().capture.proxy_uids[0].0;
    assert_eq!(uids(&[]), 1338, "istio-proxy's in /etc/passwd");
    assert_eq!(uids(&[("ENVOY_USER", "root")]), 0);
    assert_eq!(uids(&[("ENVOY_USER", "nobody")]), 1337);
}

#[test]
fn refuses_what_it_does_not_do() {
    for flags in [
        ["-m", "TPROXY"],
        ["--redirect-dns", "--dry-run"],
        ["--capture-all-dns", "--dry-run"],
        ["--native-nftables", "--dry-run"],
        ["--cni-mode", "--dry-run"],
        ["--network-namespace", "/proc/1/ns/net"],
    ] {
        let refused = planned(&flags, &[]);
        assert!(
            matches!(refused, Err(Refused::Unsupported { .. })),
            "{refused:?}"
        );
    }
    let dns = planned(&[], &[("ISTIO_META_DNS_CAPTURE", "true")]).unwrap_err();
    assert_eq!(
        dns.to_string(),
        "DNS capture (--redirect-dns, ISTIO_META_DNS_CAPTURE) is not supported yet: leave it out of the pod's proxyMetadata"
    );
    assert!(
        planned(
            &["--redirect-dns=false"],
            &[("ISTIO_META_DNS_CAPTURE", "true")]
        )
        .is_ok()
    );
}

#[test]
fn rejects_values_and_flags_that_it_does_not_know() {
    for flags in [
        ["-m", "NONE"],
        ["-b", "http"],
        ["-x", "*"],
        ["-i", "10.0.0.1"],
        ["-c", "eth0 -j ACCEPT"],
        ["-u", "istio-proxy"],
        ["--probe-timeout", "5"],
        ["--force-iptables-binary", "nftables"],
        ["--dry-run=perhaps", "--cleanup-only"],
        ["--no-such-flag", "--cleanup-only"],
    ] {
        let words = ["init"].iter().chain(&flags);
        assert!(Command::try_parse_from(words).is_err(), "{flags:?}");
    }
}

#[test]
fn knows_when_the_proof_would_pass_by_the_rules() {
    let captured = |flags: &[&str], variables: &[_]| {
        let plan = planned(flags, variables).unwrap();
        plan.capture.captures_probe(Family::V4, Port(15002))
    };
    assert!(captured(&INJECTED, &[]));
    assert!(!captured(&["-o", "15002"], &[]));
    assert!(!captured(&["-c", "lo"], &[]));
    assert!(!captured(&["-e", "15002"], &[]));
    assert!(!captured(
        &[],
        &[("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", "127.0.0.0/8")]
    ));
}

#[test]
fn the_last_of_a_flag_counts() {
    let plan = planned(&["-p", "1", "-p", "2", "--dry-run", "--dry-run=false"], &[]).unwrap();
    assert_eq!((plan.capture.proxy_port, plan.dry_run), (Port(2), false));
}

#[test]
fn its_flags_and_variables_have_istio_s_names() {
    const FLAGS: &str = "p envoy-port, z inbound-capture-port, e inbound-tunnel-port, u proxy-uid, g proxy-gid, \
        m istio-inbound-interception-mode, b istio-inbound-ports, d istio-local-exclude-ports, c istio-exclude-interfaces, \
        i istio-service-cidr, x istio-service-exclude-cidr, q istio-outbound-ports, o istio-local-outbound-ports-exclude, \
        k kube-virt-interfaces, t istio-inbound-tproxy-mark, r istio-inbound-tproxy-route-table, n dry-run, \
        iptables-probe-port, probe-timeout, skip-rule-apply, run-validation, redirect-dns, capture-all-dns, drop-invalid, \
        dual-stack, network-namespace, cni-mode, reconcile, cleanup-only, force-apply, native-nftables, force-iptables-binary";
    let command = Command::command();
    let mut found = Vec::new();
    for argument in command.get_arguments() {
        let long = argument.get_long().unwrap();
        let variable = argument
            .get_env()
            .map(|name| name.to_str().unwrap().to_owned());
        let expected = (long != "envoy-port").then(|| long.to_uppercase().replace('-', "_"));
        assert_eq!(variable, expected, "{long}");
        found.push(match argument.get_short() {
            Some(short) => format!("{short} {long}"),
            None => long.to_owned(),
        });
    }
    assert_eq!(found, FLAGS.split(", ").collect::<Vec<_>>());
}
