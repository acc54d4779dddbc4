//! The rules for every flag.

mod plan;

use std::{ffi::OsString, net::IpAddr};

use clap::Parser;

use super::{
    plan::{Plan, Refused, Surroundings},
    rules::{Family, document},
    *,
};

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

const INJECTED: [&str; 14] = [
    "-p",
    "15001",
    "-z",
    "15006",
    "-u",
    "1337",
    "-m",
    "REDIRECT",
    "-i",
    "*",
    "-b",
    "*",
    "-d",
    "15090,15021,15020",
];

fn planned(flags: &[&str], variables: &[(&str, &str)]) -> Result<Plan, Refused> {
    let words = ["init"].iter().chain(flags);
    let args = Command::try_parse_from(words).unwrap().args;
    let variable = |name: &'static str| {
        let found = variables.iter().find(|(set, _)| *set == name)?;
        Some(OsString::from(found.1))
    };
    let here = Surroundings {
        variable: &variable,
        passwd: "root:x:0:0::/:/bin/sh\nistio-proxy:x:1338:1338::/:/bin/sh\n".to_owned(),
        group: "root:x:0:\nbackup:x:34:\n".to_owned(),
    };
    Plan::new(&args, &here)
}

fn rules_of(plan: &Plan, family: Family) -> String {
    let rules = plan.capture.rules(family);
    document(|table| rules.lines(table))
}

/// The lines that these flags, after the injected ones, add (`+`) and take away (`-`).
fn changes(family: Family, flags: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
    let injected = planned(&INJECTED, &[]).unwrap();
    let flags: Vec<_> = INJECTED.iter().chain(flags).copied().collect();
    let before = rules_of(&injected, family);
    let after = rules_of(&planned(&flags, variables).unwrap(), family);
    difference(&before, &after)
}

/// By the longest common subsequence, so that a line that moves is seen.
fn difference(before: &str, after: &str) -> Vec<String> {
    let (before, after): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let mut lengths = vec![vec![0; after.len() + 1]; before.len() + 1];
    for i in (0..before.len()).rev() {
        for j in (0..after.len()).rev() {
            lengths[i][j] = if before[i] == after[j] {
                lengths[i + 1][j + 1] + 1
            } else {
                lengths[i + 1][j].max(lengths[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut changes) = (0, 0, Vec::new());
    while i < before.len() || j < after.len() {
        if i < before.len() && j < after.len() && before[i] == after[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == after.len() || (i < before.len() && lengths[i + 1][j] >= lengths[i][j + 1]) {
            changes.push(format!("-{}", before[i]));
            i += 1;
        } else {
            changes.push(format!("+{}", after[j]));
            j += 1;
        }
    }
    changes
}

fn v4(flags: &[&str]) -> Vec<String> {
    changes(Family::V4, flags, &[])
}

#[test]
fn writes_istio_s_rules_for_the_injected_arguments() {
    let injected = planned(&INJECTED, &[]).unwrap();
    assert_eq!(
        rules_of(&injected, Family::V4),
        "* nat
-N ISTIO_INBOUND
-N ISTIO_REDIRECT
-N ISTIO_IN_REDIRECT
-N ISTIO_OUTPUT
-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A ISTIO_INBOUND -p tcp --dport 15090 -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15021 -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15020 -j RETURN
-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN
-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUT -j ISTIO_REDIRECT
COMMIT
"
    );
}

#[test]
fn ipv6_differs_in_the_loopback_addresses_alone() {
    let injected = planned(&INJECTED, &[]).unwrap();
    let v4 = rules_of(&injected, Family::V4);
    let v6 = v4
        .replace("127.0.0.6/32", "::6/128")
        .replace("127.0.0.1/32", "::1/128");
    assert_eq!(rules_of(&injected, Family::V6), v6);
}

#[test]
fn captures_nothing_that_is_not_asked_for() {
    let rules = rules_of(&planned(&[], &[]).unwrap(), Family::V4);
    assert!(!rules.contains("PREROUTING"), "{rules}");
    assert!(
        !rules.contains("-A ISTIO_OUTPUT -j ISTIO_REDIRECT"),
        "{rules}"
    );
}

#[test]
fn takes_the_proxy_s_ports() {
    assert_eq!(
        v4(&["-p", "1", "-z", "2"]),
        [
            "--A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001",
            "--A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006",
            "+-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 1",
            "+-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 2",
        ]
    );
    let tunnel = v4(&["-e", "3"]);
    assert!(tunnel.contains(&"+-A ISTIO_INBOUND -p tcp --dport 3 -j RETURN".to_owned()));
    assert_eq!(tunnel.len(), 6);
}

#[test]
fn repeats_the_owner_s_rules_for_each_user_and_group() {
    assert_eq!(
        v4(&["-u", "1337,7", "-g", "1337"]),
        [
            "+-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 7 -j ISTIO_IN_REDIRECT",
            "+-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 7 -j RETURN",
            "+-A ISTIO_OUTPUT -m owner --uid-owner 7 -j RETURN",
        ]
    );
    assert_eq!(
        v4(&["-g", "8"]),
        [
            "--A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT",
            "--A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN",
            "--A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN",
            "+-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 8 -j ISTIO_IN_REDIRECT",
            "+-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 8 -j RETURN",
            "+-A ISTIO_OUTPUT -m owner --gid-owner 8 -j RETURN",
        ]
    );
}

#[test]
fn captures_the_listed_inbound_ports_alone() {
    assert_eq!(
        v4(&["-b", "80,443"]),
        [
            "--A ISTIO_INBOUND -p tcp --dport 15090 -j RETURN",
            "--A ISTIO_INBOUND -p tcp --dport 15021 -j RETURN",
            "--A ISTIO_INBOUND -p tcp --dport 15020 -j RETURN",
            "--A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
            "+-A ISTIO_INBOUND -p tcp --dport 80 -j ISTIO_IN_REDIRECT",
            "+-A ISTIO_INBOUND -p tcp --dport 443 -j ISTIO_IN_REDIRECT",
        ]
    );
}

#[test]
fn excludes_inbound_ports() {
    assert_eq!(
        v4(&["-d", "15090,15021,15020,22"]),
        ["+-A ISTIO_INBOUND -p tcp --dport 22 -j RETURN"]
    );
}

#[test]
fn excludes_outbound_ports_before_all_else() {
    assert_eq!(
        v4(&["-o", "25"]),
        [
            "+-A ISTIO_OUTPUT -p tcp --dport 25 -j RETURN",
            "+-A ISTIO_OUTPUT -p udp --dport 25 -j RETURN",
        ]
    );
    let plan = planned(&["-o", "25"], &[]).unwrap();
    let rules = rules_of(&plan, Family::V4);
    let excluded = rules.find("--dport 25 -j RETURN").unwrap();
    assert!(excluded < rules.find("127.0.0.6").unwrap());
}

#[test]
fn includes_outbound_ports_after_the_excluded_ranges() {
    let rules = rules_of(
        &planned(&["-q", "80", "-x", "10.0.0.0/8"], &[]).unwrap(),
        Family::V4,
    );
    assert!(
        rules.contains(
            "-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN\n-A ISTIO_OUTPUT -d 10.0.0.0/8 -j RETURN\n-A ISTIO_OUTPUT -p tcp --dport 80 -j \
             ISTIO_REDIRECT\nCOMMIT"
        ),
        "{rules}"
    );
}

#[test]
fn a_range_counts_in_its_own_family_alone() {
    let ranges = ["-i", "10.0.0.0/8,fd00::/8", "-x", "10.9.0.0/16,fd09::/16"];
    assert_eq!(
        changes(Family::V4, &ranges, &[]),
        [
            "--A ISTIO_OUTPUT -j ISTIO_REDIRECT",
            "+-A ISTIO_OUTPUT -d 10.9.0.0/16 -j RETURN",
            "+-A ISTIO_OUTPUT -d 10.0.0.0/8 -j ISTIO_REDIRECT",
        ]
    );
    assert_eq!(
        changes(Family::V6, &ranges, &[]),
        [
            "--A ISTIO_OUTPUT -j ISTIO_REDIRECT",
            "+-A ISTIO_OUTPUT -d fd09::/16 -j RETURN",
            "+-A ISTIO_OUTPUT -d fd00::/8 -j ISTIO_REDIRECT",
        ]
    );
}

#[test]
fn a_range_of_loopback_takes_away_what_lets_loopback_pass() {
    assert_eq!(
        v4(&["-i", "127.1.2.3/32"]),
        [
            "--A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN",
            "--A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN",
            "--A ISTIO_OUTPUT -j ISTIO_REDIRECT",
            "+-A ISTIO_OUTPUT -d 127.1.2.3/32 -j ISTIO_REDIRECT",
        ]
    );
}

#[test]
fn excludes_interfaces_before_all_else() {
    assert_eq!(
        v4(&["-c", "eth1,net+"]),
        [
            "+-A PREROUTING -i eth1 -j RETURN",
            "+-A OUTPUT -o eth1 -j RETURN",
            "+-A PREROUTING -i net+ -j RETURN",
            "+-A OUTPUT -o net+ -j RETURN",
        ]
    );
}

#[test]
fn treats_what_comes_from_a_rerouted_interface_as_outbound() {
    assert_eq!(
        v4(&["-k", "tap0"]),
        [
            "+-I PREROUTING 1 -i tap0 -j RETURN",
            "+-I PREROUTING 1 -i tap0 -j ISTIO_REDIRECT",
        ]
    );
    let flags = ["-k", "tap0", "-i", "10.0.0.0/8"];
    assert!(
        v4(&flags).contains(&"+-I PREROUTING 1 -i tap0 -d 10.0.0.0/8 -j ISTIO_REDIRECT".to_owned())
    );
}

#[test]
fn drops_invalid_packets_in_a_table_of_its_own() {
    let expected = [
        "+* mangle",
        "+-N ISTIO_DROP",
        "+-A PREROUTING -m conntrack --ctstate INVALID -j ISTIO_DROP",
        "+-A ISTIO_DROP -j DROP",
        "+COMMIT",
    ];
    assert_eq!(v4(&["--drop-invalid"]), expected);
    assert_eq!(
        changes(Family::V6, &[], &[("INVALID_DROP", "true")]),
        expected
    );
    assert!(
        changes(
            Family::V4,
            &["--drop-invalid=false"],
            &[("INVALID_DROP", "true")]
        )
        .is_empty()
    );
}

#[test]
fn captures_by_the_group_of_the_sender() {
    let only = [("ISTIO_OUTBOUND_OWNER_GROUPS", "backup,202")];
    assert_eq!(
        changes(Family::V4, &[], &only),
        ["+-A ISTIO_OUTPUT -m owner ! --gid-owner 34 -m owner ! --gid-owner 202 -j RETURN"]
    );
    let all_but = [("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", "backup,202")];
    assert_eq!(
        changes(Family::V4, &[], &all_but),
        [
            "+-A ISTIO_OUTPUT -m owner --gid-owner 34 -j RETURN",
            "+-A ISTIO_OUTPUT -m owner --gid-owner 202 -j RETURN",
        ]
    );
    let both = [only[0], all_but[0]];
    assert_eq!(planned(&[], &both).unwrap_err(), Refused::BothGroups);
    let unknown = planned(&[], &[("ISTIO_OUTBOUND_OWNER_GROUPS", "nobody")]);
    assert!(matches!(unknown, Err(Refused::Group { .. })), "{unknown:?}");
}

#[test]
fn takes_another_range_for_loopback_in_ipv4() {
    let variables = [("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", "127.0.0.0/8")];
    let changed = changes(Family::V4, &[], &variables);
    assert!(changed.contains(&"+-A ISTIO_OUTPUT -d 127.0.0.0/8 -j RETURN".to_owned()));
    assert!(changes(Family::V6, &[], &variables).is_empty());
    for range in ["10.0.0.0/8", "::1/128", "0.0.0.0/0"] {
        let refused = planned(&[], &[("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", range)]);
        assert!(matches!(refused, Err(Refused::Loopback(_))), "{refused:?}");
    }
}

#[test]
fn the_proxy_calls_the_application_from_istio_s_addresses() {
    let shown = |family| super::capture::passthrough_address(family).to_string();
    assert_eq!(shown(Family::V4), "127.0.0.6");
    assert_eq!(
        shown(Family::V6).parse::<IpAddr>().unwrap().to_string(),
        "::6"
    );
}
