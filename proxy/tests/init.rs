//! `pillion-proxy init` in a network namespace.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "network/namespace.rs"]
mod namespace;
#[path = "network/program.rs"]
mod program;
#[path = "init/run.rs"]
mod run;
#[path = "init/servers.rs"]
mod servers;

use namespace::{INJECTED, Namespace, can_run};

/// What the tests need, and the command that brings it.
const PROGRAMS: [(&str, &str); 5] = [
    ("iptables-nft-save", "apt-get install iptables"),
    ("iptables-legacy-save", "apt-get install iptables"),
    ("setpriv", "apt-get install util-linux"),
    ("setcap", "apt-get install libcap2-bin"),
    ("python3", "apt-get install python3"),
];

/// One test: a namespace of its own, or a loud message that there can't be one.
macro_rules! in_namespace {
    ($namespace:ident) => {
        let Some($namespace) = can_run(&PROGRAMS).then(Namespace::new) else {
            return;
        };
    };
}

#[test]
fn writes_the_rules_proves_them_and_changes_nothing_when_run_again() {
    in_namespace!(namespace);
    let first = namespace.init(&INJECTED);
    assert_eq!(first.code, 0, "{first}");
    assert!(first.text.contains("IPv4 rules are written"), "{first}");
    assert!(first.text.contains("capture works"), "{first}");
    let rules = namespace.rules("iptables-nft-save");
    assert!(rules.contains("-A OUTPUT -j ISTIO_OUTPUT"), "{rules}");
    assert!(
        rules.contains("-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006"),
        "{rules}"
    );
    assert!(!namespace.rules("ip6tables-nft-save").contains("ISTIO"));

    let second = namespace.init(&INJECTED);
    assert_eq!(second.code, 0, "{second}");
    assert!(second.text.contains("in place already"), "{second}");
    assert_eq!(namespace.rules("iptables-nft-save"), rules);
}

#[test]
fn ignores_the_variable_of_a_service_that_is_named_as_an_option() {
    in_namespace!(namespace);
    let variables = [("INBOUND_TUNNEL_PORT", "tcp://10.96.0.1:80")];
    let run = namespace.init_with(&["--dry-run"], &variables);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.text.contains("INBOUND_TUNNEL_PORT is ignored"), "{run}");
    assert!(run.text.contains("! --dport 15008"), "{run}");
}

#[test]
fn every_flag_s_rules_are_found_in_place_again() {
    in_namespace!(namespace);
    let mut flags = INJECTED.to_vec();
    flags.extend([
        "-u",
        "1337,7",
        "-g",
        "1337,8",
        "-d",
        "15090,15090",
        "-o",
        "25",
        "-q",
        "80",
        "-c",
        "eth1,net+",
    ]);
    flags.extend([
        "-k",
        "tap0,tap1",
        "-i",
        "10.1.2.3/8,0.0.0.0/0,fd00::/8,::/0",
        "-x",
        "10.9.1.1/16,fd09::1/16",
    ]);
    flags.extend(["--drop-invalid", "--dual-stack", "-e", "99"]);
    namespace.sh("ip addr add fd00::5/128 dev lo");
    let variables = [("ISTIO_OUTBOUND_OWNER_GROUPS", "202,203")];
    for binary in ["nft", "legacy"] {
        let forced = [&flags[..], &["--force-iptables-binary", binary]].concat();
        let first = namespace.init_with(&forced, &variables);
        assert_eq!(first.code, 0, "{binary}: {first}");
        let second = namespace.init_with(&forced, &variables);
        assert_eq!(
            second.text.matches("in place already").count(),
            2,
            "{binary}: {second}"
        );
        let cleaned = [&forced[..], &["--cleanup-only"]].concat();
        assert_eq!(namespace.init_with(&cleaned, &variables).code, 0);
        let rules = namespace.rules(&format!("iptables-{binary}-save"));
        assert!(!rules.contains("-A "), "{binary}: {rules}");
    }
}

#[test]
fn a_dry_run_prints_and_changes_nothing() {
    in_namespace!(namespace);
    let dry = namespace.init(&[&INJECTED[..], &["--dry-run"]].concat());
    assert_eq!(dry.code, 0, "{dry}");
    assert!(dry.text.contains("* nat\n-N ISTIO_INBOUND\n"), "{dry}");
    assert!(!namespace.rules("iptables-nft-save").contains("ISTIO"));
}

#[test]
fn cleanup_removes_its_own_rules_and_keeps_others() {
    in_namespace!(namespace);
    namespace.sh("iptables-nft -t nat -A OUTPUT -p tcp --dport 9 -m comment --comment 'a \"foreign\" rule' -j RETURN");
    namespace.sh("iptables-nft -t nat -N KUBE && iptables-nft -t nat -A PREROUTING -j KUBE");
    let before = namespace.rules("iptables-nft-save");
    let flags = [&INJECTED[..], &["-c", "eth1", "-k", "tap0"]].concat();
    assert_eq!(namespace.init(&flags).code, 0);
    assert_ne!(namespace.rules("iptables-nft-save"), before);
    let cleaned = namespace.init(&[&flags[..], &["--cleanup-only"]].concat());
    assert_eq!(cleaned.code, 0, "{cleaned}");
    assert_eq!(namespace.rules("iptables-nft-save"), before);
}

#[test]
fn tells_an_earlier_run_s_rules_that_differ_and_replaces_them_when_asked() {
    in_namespace!(namespace);
    assert_eq!(namespace.init(&INJECTED).code, 0);
    let rules = namespace.rules("iptables-nft-save");
    let other = [&INJECTED[..], &["-o", "25"]].concat();
    let refused = namespace.init(&other);
    assert_eq!(refused.code, 1, "{refused}");
    assert!(
        refused
            .text
            .contains("missing: -A ISTIO_OUTPUT -p tcp --dport 25 -j RETURN"),
        "{refused}"
    );
    assert_eq!(namespace.rules("iptables-nft-save"), rules);
    let replaced = namespace.init(&[&other[..], &["--reconcile"]].concat());
    assert_eq!(replaced.code, 0, "{replaced}");
    assert!(
        namespace
            .rules("iptables-nft-save")
            .contains("--dport 25 -j RETURN")
    );
    let forced = namespace.init(&[&other[..], &["--force-apply"]].concat());
    assert!(forced.text.contains("rules are written"), "{forced}");
}

#[test]
fn captures_ipv6_where_the_pod_has_an_address_of_it_alone() {
    in_namespace!(namespace);
    namespace.sh("ip addr add fd00::5/128 dev lo");
    let run = namespace.init(&INJECTED);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.text.contains("IPv6 rules are written"), "{run}");
    assert!(
        namespace
            .rules("ip6tables-nft-save")
            .contains("-s ::6/128 -o lo -j RETURN")
    );
    assert!(
        namespace
            .sh("ip -6 addr show dev lo")
            .contains("inet6 ::6/128")
    );
    let cleaned = namespace.init(&[&INJECTED[..], &["--cleanup-only"]].concat());
    assert_eq!(cleaned.code, 0, "{cleaned}");
    assert!(!namespace.rules("ip6tables-nft-save").contains("ISTIO"));
    assert!(!namespace.sh("ip -6 addr show dev lo").contains("::6/128"));
}

#[test]
fn exits_with_126_when_somebody_else_s_rule_decides_first() {
    for (family, address, rule) in [
        ("iptables-nft", "10.0.0.5/32", "ACCEPT"),
        ("iptables-nft", "10.0.0.5/32", "RETURN"),
        ("ip6tables-nft", "fd00::5/128", "ACCEPT"),
    ] {
        in_namespace!(namespace);
        namespace.sh(&format!("ip addr add {address} dev lo"));
        namespace.sh(&format!("{family} -t nat -A OUTPUT -p tcp -j {rule}"));
        let run = namespace.init(&[&INJECTED[..], &["--probe-timeout", "1s"]].concat());
        assert_eq!(run.code, 126, "{family} {rule}: {run}");
        assert!(
            run.text
                .contains(&format!("nat: -A OUTPUT -p tcp -j {rule}")),
            "{run}"
        );
        assert!(!run.text.contains("capture works"), "{run}");
        let unproven = namespace.init(&[&INJECTED[..], &["--run-validation=false"]].concat());
        assert_eq!(unproven.code, 0, "{unproven}");
    }
}

#[test]
fn exits_with_126_when_there_are_no_rules_to_prove() {
    in_namespace!(namespace);
    let run = namespace.init(&["--skip-rule-apply", "--probe-timeout", "300ms"]);
    assert_eq!(run.code, 126, "{run}");
    assert!(
        run.text.contains("No rules were written by this run"),
        "{run}"
    );
}

#[test]
fn uses_iptables_legacy_where_it_has_rules_already() {
    in_namespace!(namespace);
    namespace.sh("iptables-legacy -t nat -A OUTPUT -p tcp --dport 9 -j RETURN");
    for run in [
        namespace.init(&INJECTED),
        namespace.init_unprivileged(&INJECTED),
    ] {
        assert_eq!(run.code, 0, "{run}");
        assert!(run.text.contains("iptables-legacy-save"), "{run}");
    }
    assert!(
        namespace
            .rules("iptables-legacy-save")
            .contains("ISTIO_OUTPUT")
    );
    assert!(!namespace.rules("iptables-nft-save").contains("ISTIO"));
}

#[test]
fn works_without_root_and_without_new_privileges() {
    for binary in ["nft", "legacy"] {
        in_namespace!(namespace);
        let flags = [&INJECTED[..], &["--force-iptables-binary", binary]].concat();
        let run = namespace.init_unprivileged(&flags);
        assert_eq!(run.code, 0, "{binary}: {run}");
        assert!(run.text.contains("rules are written"), "{binary}: {run}");
        assert!(run.text.contains("capture works"), "{binary}: {run}");
        let removed = namespace.init_unprivileged(&[&INJECTED[..], &["--cleanup-only"]].concat());
        assert_eq!(removed.code, 0, "{binary}: {removed}");
        let rules = namespace.rules(&format!("iptables-{binary}-save"));
        assert!(!rules.contains("ISTIO"), "{binary}: {rules}");
    }
}

#[test]
fn says_so_when_it_has_no_net_admin() {
    in_namespace!(namespace);
    let run = namespace.init_as(
        "setpriv --reuid 1337 --regid 1337 --clear-groups --",
        &INJECTED,
        &[],
    );
    assert_eq!(run.code, 1, "{run}");
    assert!(run.text.contains("init has no NET_ADMIN"), "{run}");
}

#[test]
fn root_without_setuid_writes_the_rules_and_says_that_it_proves_nothing() {
    in_namespace!(namespace);
    let root = "setpriv --bounding-set -all,+net_admin,+net_raw --no-new-privs --";
    let run = namespace.init_as(root, &INJECTED, &[]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.text.contains("rules are written"), "{run}");
    assert!(
        run.text.contains("it would need SETUID and SETGID"),
        "{run}"
    );
}

#[test]
fn leaves_a_proxy_that_runs_already_alone() {
    in_namespace!(namespace);
    let _proxy = namespace.serve(&[15001, 15006]);
    let run = namespace.init_unprivileged(&INJECTED);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.text.contains("the proxy runs already"), "{run}");
}

/// The port that answers tells what became of a connection.
#[test]
fn connections_go_where_the_rules_say() {
    in_namespace!(namespace);
    namespace.sh("ip addr add 10.0.0.5/32 dev lo && ip route add default dev lo");
    let flags = [
        "-o",
        "7001",
        "-x",
        "10.9.0.0/16",
        "-q",
        "7003",
        "--probe-timeout",
        "10s",
    ];
    let run = namespace.init(&[&INJECTED[..], &flags[..]].concat());
    assert_eq!(run.code, 0, "{run}");
    let answers = namespace.serve(&[15001, 15006, 7000, 7001, 7003]);
    let reached = |user: u32, target: &str| answers.ask(user, target);
    // An application that calls the pod's own address means itself; so does localhost.
    assert_eq!(reached(1000, "10.0.0.5:7000"), "7000");
    assert_eq!(reached(1000, "127.0.0.1:7000"), "7000");
    // The proxy that calls the pod's own address comes in again.
    assert_eq!(reached(1337, "10.0.0.5:7000"), "15006");
    assert_eq!(reached(1337, "127.0.0.1:7000"), "7000");
    // An excluded port is nobody's.
    assert_eq!(reached(1337, "10.0.0.5:7001"), "7001");
}

#[test]
fn outbound_connections_are_captured_but_those_of_the_proxy() {
    in_namespace!(namespace);
    let peer = namespace.peer();
    let flags = ["-x", "10.9.0.3/32", "-o", "7001"];
    let run = namespace.init(&[&INJECTED[..], &flags[..]].concat());
    assert_eq!(run.code, 0, "{run}");
    let here = namespace.serve(&[15001, 15006, 7000]);
    let _there = peer.serve(&[7000, 7001]);
    assert_eq!(here.ask(1000, "10.9.0.2:7000"), "15001");
    assert_eq!(here.ask(1337, "10.9.0.2:7000"), "7000");
    assert_eq!(here.ask(1000, "10.9.0.2:7001"), "7001", "an excluded port");
    assert_eq!(here.ask(1000, "10.9.0.3:7000"), "7000", "an excluded range");
    // What comes in goes to the proxy, but for excluded ports.
    assert_eq!(peer.ask(1000, "10.9.0.1:7000"), "15006");
    assert_eq!(peer.ask(1000, "10.9.0.1:15090"), "refused");
}
