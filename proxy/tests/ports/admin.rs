//! The administrator's port.

use crate::pod::{self, POD, Sidecar, ask, get};

const LOOPBACK: &str = "127.0.0.1";

fn json(path: &str) -> serde_json::Value {
    let answer = get(LOOPBACK, 15000, path);
    assert!(answer.head.contains("application/json"), "{answer}");
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn the_administrator_sees_what_there_is() {
    in_namespace!();
    let _sidecar = Sidecar::start(&[]);
    assert!(get(LOOPBACK, 15000, "/help").body.contains("/config_dump"));
    assert_eq!(get(LOOPBACK, 15000, "/ready").body, "LIVE\n");
    let info = json("/server_info");
    assert_eq!(info["state"], "LIVE");
    assert!(
        info["command_line_options"]["concurrency"].is_u64(),
        "{info}"
    );
    let resident = json("/memory")["total_physical_bytes"].to_string();
    assert!(resident.len() > 5, "{resident}");
    let stats = get(LOOPBACK, 15000, "/stats");
    assert!(stats.body.contains("server.live: 1\n"), "{stats}");
    assert!(
        stats.body.contains("istio_agent_scrapes_total: 0\n"),
        "{stats}"
    );
    assert!(json("/stats?format=json")["stats"].is_array());
    let prometheus = get(LOOPBACK, 15000, "/stats/prometheus");
    assert!(prometheus.body.ends_with("# EOF\n"), "{prometheus}");
    let filtered = get(LOOPBACK, 15000, "/stats?usedonly&filter=^server%5C.live$");
    assert_eq!(filtered.body, "server.live: 1\n");
    let filtered = get(LOOPBACK, 15000, "/stats/prometheus?filter=agent_scrapes");
    assert!(
        filtered.body.ends_with("istio_agent_scrapes_total 0\n"),
        "{filtered}"
    );
    assert_eq!(get(LOOPBACK, 15000, "/stats?filter=(").status, 400);
    let clusters = get(LOOPBACK, 15000, "/clusters").body;
    assert!(
        clusters.contains("PassthroughCluster::added_via_api::false\n"),
        "{clusters}"
    );
    assert_eq!(
        json("/clusters?format=json")["cluster_statuses"][0]["name"],
        "InboundPassthroughCluster"
    );
    let clusters = &json("/config_dump")["configs"][0]["static_clusters"];
    assert_eq!(clusters[1]["cluster"]["name"], "PassthroughCluster");
    assert_eq!(get(LOOPBACK, 15000, "/config_dump?mask=x").status, 400);
    assert!(
        get(LOOPBACK, 15000, "/listeners")
            .body
            .contains("virtualInbound::0.0.0.0:15006")
    );
    assert_eq!(get(LOOPBACK, 15000, "/nothing").status, 404);
}

#[test]
fn the_log_s_level_changes_at_run_time() {
    in_namespace!();
    let _sidecar = Sidecar::start(&[]);
    let logging = |query: &str| ask(LOOPBACK, 15000, &format!("POST /logging{query}"), "");
    assert!(logging("").body.contains("all: info"));
    assert!(logging("?level=debug").body.contains("all: debug"));
    assert!(logging("").body.contains("all: debug"));
    assert_eq!(logging("?level=loud").status, 400);
    assert_eq!(logging("?http=debug").status, 400);
    assert_eq!(get(LOOPBACK, 15000, "/logging?level=debug").status, 405);
}

#[test]
fn only_the_pod_may_drain_and_end_the_proxy() {
    in_namespace!();
    let mut sidecar = Sidecar::start(&[]);
    for path in ["/drain", "/quitquitquit"] {
        assert_eq!(ask(POD, 15020, &format!("POST {path}"), "").status, 403);
        assert_eq!(get(LOOPBACK, 15020, path).status, 405);
    }
    assert_eq!(
        ask(LOOPBACK, 15000, "POST /drain_listeners", "").status,
        200
    );
    let ready = get(LOOPBACK, 15000, "/ready");
    assert_eq!((ready.status, ready.body.as_str()), (503, "DRAINING\n"));
    assert_eq!(get(POD, 15021, "/healthz/ready").status, 503);
    // What the application needs for its own end goes on.
    assert_eq!(get(POD, 15020, "/stats/prometheus").status, 200);
    assert_eq!(ask(LOOPBACK, 15000, "POST /quitquitquit", "").status, 200);
    assert!(sidecar.has_ended());
}

#[test]
fn the_ports_answer_until_the_process_ends() {
    in_namespace!();
    let variable = |name, value: &str| (name, value.to_owned());
    let mut sidecar = Sidecar::start(&[
        variable("EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "true"),
        variable("MINIMUM_DRAIN_DURATION", "1h"),
    ]);
    assert_eq!(ask(LOOPBACK, 15000, "POST /quitquitquit", "").status, 200);
    sidecar.until_readiness_is(503);
    assert_eq!(get(POD, 15020, "/stats/prometheus").status, 200);
    assert_eq!(get(LOOPBACK, 15000, "/ready").status, 503);
}
