//! Merged metrics.

use crate::{
    application::{http, tcp},
    pod::{self, POD, Sidecar, ask, get},
};

fn annotations(text: &str) -> (&'static str, String) {
    ("ISTIO_PROMETHEUS_ANNOTATIONS", text.to_owned())
}

#[test]
fn one_scrape_has_the_proxy_s_metrics_and_the_application_s() {
    in_namespace!();
    http("127.0.0.1:8080", |request| match request.path.as_str() {
        "/old" => (307, "Location: /metrics/\r\n".to_owned(), String::new()),
        "/metrics/" => {
            assert!(request.head.contains("version=0.0.4"), "{}", request.head);
            let text = "# TYPE app_total counter\napp_total{a=\"b\"} 1\nprocess_open_fds 77\n";
            (200, String::new(), text.to_owned())
        }
        _ => (404, String::new(), String::new()),
    });
    http("127.0.0.1:8081", |_| {
        let text = "# TYPE app counter\napp_total{a=\"c\"} 2 # {t=\"u\"} 1\n# EOF\n";
        let kind = "Content-Type: application/openmetrics-text; version=1.0.0\r\n";
        (200, kind.to_owned(), text.to_owned())
    });
    let targets = r#"[{"port": "8080", "path": "/old"}, {"port": "8081", "path": "/"}]"#;
    let targets = format!(r#"{{"scrape": "true", "targets": {targets}}}"#);
    let _sidecar = Sidecar::start(&[annotations(&targets)]);
    for path in ["/stats/prometheus", "/metrics"] {
        let answer = get(POD, 15020, path);
        assert!(
            answer
                .head
                .contains("content-type: text/plain; version=0.0.4"),
            "{answer}"
        );
        let lines: Vec<_> = answer.body.lines().collect();
        let families = "# TYPE app_total counter\napp_total{a=\"b\"} 1\napp_total{a=\"c\"} 2\n";
        assert!(answer.body.contains(families), "{answer}");
        for line in [
            "process_open_fds 77",
            "# TYPE istio_agent_scrapes_total counter",
            "istio_agent_scrape_failures_total{type=\"application\"} 0",
            "# TYPE istio_agent_process_open_fds gauge",
        ] {
            assert!(lines.contains(&line), "{line:?} in {answer}");
        }
        assert!(!lines.contains(&"# EOF"), "{answer}");
    }
}

#[test]
fn an_application_that_fails_does_not_spoil_a_scrape() {
    in_namespace!();
    http("127.0.0.1:8080", |_| {
        (200, String::new(), "<html>".to_owned())
    });
    http("127.0.0.1:8081", |_| {
        (500, String::new(), "x 1\n".to_owned())
    });
    http("127.0.0.1:8082", |_| {
        let text = "much_too_much 1\n".repeat(1_000_000);
        (200, String::new(), text)
    });
    http("127.0.0.1:8083", |_| {
        (200, String::new(), "good 1\n".to_owned())
    });
    let _silent = tcp("127.0.0.1:8084");
    let ports = [8080, 8081, 8082, 8083, 8084, 8085];
    let targets = ports
        .map(|port| format!(r#"{{"port": "{port}"}}"#))
        .join(",");
    let _sidecar = Sidecar::start(&[annotations(&format!(r#"{{"targets": [{targets}]}}"#))]);
    let fields = "X-Prometheus-Scrape-Timeout-Seconds: 5\r\n";
    let answer = ask(POD, 15020, "GET /stats/prometheus", fields);
    assert_eq!(answer.status, 200, "{answer}");
    for line in [
        "good 1",
        "istio_agent_scrapes_total 1",
        "istio_agent_scrape_failures_total{type=\"application\"} 5",
    ] {
        assert!(
            answer.body.lines().any(|it| it == line),
            "{line:?}: {answer}"
        );
    }
    for absent in ["<html>", "x 1", "much_too_much"] {
        assert!(!answer.body.contains(absent), "{answer}");
    }
}

#[test]
fn without_annotations_a_scrape_has_the_proxy_s_metrics_alone() {
    in_namespace!();
    let _sidecar = Sidecar::start(&[]);
    let answer = get(POD, 15020, "/stats/prometheus");
    assert_eq!(answer.status, 200, "{answer}");
    assert!(
        answer.body.contains("istio_agent_scrapes_total 1\n"),
        "{answer}"
    );
}
