//! The application's probes, by way of the proxy.

use crate::{
    application::{grpc, http, https, tcp},
    pod::{self, POD, POD_V6, Sidecar, ask, get},
};

fn probers(entries: &str) -> (&'static str, String) {
    ("ISTIO_KUBE_APP_PROBERS", entries.to_owned())
}

#[test]
fn http_probes_ask_the_application_as_the_kubelet_would() {
    in_namespace!();
    http("10.0.0.5:8080", |request| match request.path.as_str() {
        "/ready?a=b" => (
            200,
            String::new(),
            format!("{}{}", request.head, request.peer),
        ),
        _ => (418, String::new(), "a teapot".to_owned()),
    });
    let _sidecar = Sidecar::start(&[probers(
        r#"{"/app-health/a/readyz": {"httpGet": {"port": 8080, "path": "/ready?a=b"}},
            "/app-health/a/livez": {"httpGet": {"port": 8080}},
            "/app-lifecycle/a/prestopz": {"httpGet": {"port": 8080, "path": "ready?a=b"}},
            "/app-health/a/startupz": {"httpGet": {"port": 8081}}}"#,
    )]);
    let fields = "User-Agent: kube-probe/1.36\r\nX-Own: yes\r\n";
    let answer = ask(POD, 15020, "GET /app-health/a/readyz", fields);
    assert_eq!(answer.status, 200, "{answer}");
    let head = answer.body.to_lowercase();
    for line in [
        "get /ready?a=b http/1.1\r\n",
        "\r\nhost: 10.0.0.5:8080\r\n",
        "\r\nuser-agent: kube-probe/1.36\r\n",
        "\r\nx-own: yes\r\n",
        "\r\nconnection: close\r\n",
    ] {
        assert!(head.contains(line), "{line:?} in {head}");
    }
    assert!(head.ends_with("127.0.0.6"), "{head}");
    let teapot = get(POD, 15020, "/app-health/a/livez");
    assert_eq!((teapot.status, teapot.body.as_str()), (418, "a teapot"));
    assert_eq!(get(POD, 15020, "/app-lifecycle/a/prestopz").status, 200);
    let dead = get(POD, 15020, "/app-health/a/startupz");
    assert_eq!(dead.status, 500, "{dead}");
    assert!(
        dead.body.contains("can't connect to 10.0.0.5:8081"),
        "{dead}"
    );
}

#[test]
fn probes_that_are_not_there_or_wrong_say_so() {
    in_namespace!();
    let _sidecar = Sidecar::start(&[probers(
        r#"{"/app-health/a/livez": {"tcpSocket": {"port": "web"}}}"#,
    )]);
    let unknown = get(POD, 15020, "/app-health/b/livez");
    assert_eq!(unknown.status, 404, "{unknown}");
    assert!(
        unknown.body.contains("has no probe /app-health/b/livez"),
        "{unknown}"
    );
    let wrong = get(POD, 15020, "/app-health/a/livez");
    assert_eq!(wrong.status, 404, "{wrong}");
    assert!(wrong.body.contains("is wrong"), "{wrong}");
}

#[test]
fn an_application_that_does_not_answer_fails_its_probe() {
    in_namespace!();
    let silent = tcp("10.0.0.5:8080");
    let _sidecar = Sidecar::start(&[probers(
        r#"{"/app-health/a/livez": {"httpGet": {"port": 8080}, "timeoutSeconds": 1},
            "/app-health/a/startupz": {"grpc": {"port": 8080}}}"#,
    )]);
    for path in ["/app-health/a/livez", "/app-health/a/startupz"] {
        let answer = get(POD, 15020, path);
        assert_eq!(answer.status, 500, "{answer}");
        assert!(answer.body.contains("no answer after 1 s"), "{answer}");
    }
    drop(silent);
}

#[test]
fn redirects_are_followed_to_the_pod_alone() {
    in_namespace!();
    http("10.0.0.5:8080", |request| {
        let to = |location: &str| (302, format!("Location: {location}\r\n"), String::new());
        match request.path.as_str() {
            "/here" => to("/there"),
            "/there" => (200, String::new(), "arrived".to_owned()),
            "/away" => to("https://login.example/"),
            "/port" => to("http://10.0.0.5:8081/"),
            _ => to("/circle"),
        }
    });
    http("10.0.0.5:8081", |_| {
        (503, String::new(), "other".to_owned())
    });
    let _sidecar = Sidecar::start(&[probers(
        r#"{"/app-health/here/livez": {"httpGet": {"port": 8080, "path": "/here"}},
            "/app-health/away/livez": {"httpGet": {"port": 8080, "path": "/away"}},
            "/app-health/port/livez": {"httpGet": {"port": 8080, "path": "/port"}},
            "/app-health/circle/livez": {"httpGet": {"port": 8080, "path": "/circle"}}}"#,
    )]);
    let probe = |name: &str| {
        let answer = get(POD, 15020, &format!("/app-health/{name}/livez"));
        (answer.status, answer.body)
    };
    assert_eq!(probe("here"), (200, "arrived".to_owned()));
    assert_eq!(probe("away"), (200, String::new()));
    assert_eq!(probe("port"), (503, "other".to_owned()));
    let (status, text) = probe("circle");
    assert_eq!(status, 500);
    assert!(text.contains("more than 10 redirects"), "{text}");
}

#[test]
fn a_body_is_cut_where_the_kubelet_would_cut_it() {
    in_namespace!();
    http("10.0.0.5:8080", |_| {
        (200, String::new(), "x".repeat(100_000))
    });
    let probe = r#"{"/app-health/a/livez": {"httpGet": {"port": 8080}}}"#;
    let _sidecar = Sidecar::start(&[probers(probe)]);
    assert_eq!(get(POD, 15020, "/app-health/a/livez").body.len(), 10 * 1024);
}

#[test]
fn tcp_probes_connect() {
    in_namespace!();
    let _application = tcp("10.0.0.5:8080");
    let _sidecar = Sidecar::start(&[probers(
        r#"{"/app-health/a/livez": {"tcpSocket": {"port": 8080}},
            "/app-health/a/readyz": {"tcpSocket": {"port": 8081}}}"#,
    )]);
    assert_eq!(get(POD, 15020, "/app-health/a/livez").status, 200);
    assert_eq!(get(POD, 15020, "/app-health/a/readyz").status, 500);
}

#[test]
fn https_probes_take_any_certificate() {
    in_namespace!();
    https("10.0.0.5:8443", "secret");
    let probe = r#"{"/app-health/a/livez": {"httpGet": {"port": 8443, "scheme": "HTTPS"}}}"#;
    let _sidecar = Sidecar::start(&[probers(probe)]);
    let answer = get(POD, 15020, "/app-health/a/livez");
    assert_eq!((answer.status, answer.body.as_str()), (200, "secret"));
}

#[test]
fn grpc_probes_check_health() {
    in_namespace!();
    grpc("10.0.0.5:8080");
    let _sidecar = Sidecar::start(&[probers(
        r#"{"/app-health/own/livez": {"grpc": {"port": 8080}},
            "/app-health/sick/livez": {"grpc": {"port": 8080, "service": "sick"}},
            "/app-health/unknown/livez": {"grpc": {"port": 8080, "service": "unknown"}},
            "/app-health/none/livez": {"grpc": {"port": 8080, "service": "none"}}}"#,
    )]);
    for (name, status, text) in [
        ("own", 200, "SERVING"),
        ("sick", 500, "its status is 2"),
        ("unknown", 500, "gRPC status 5: no such service"),
        ("none", 500, "does not implement grpc.health.v1.Health"),
    ] {
        let answer = get(POD, 15020, &format!("/app-health/{name}/livez"));
        assert_eq!(answer.status, status, "{name}: {answer}");
        assert!(answer.body.contains(text), "{name}: {answer}");
    }
}

#[test]
fn a_pod_of_ipv6_is_asked_by_it() {
    in_namespace!();
    http("[fd00::5]:8080", |request| {
        let host = request
            .head
            .lines()
            .find(|line| line.to_lowercase().starts_with("host:"));
        (
            200,
            String::new(),
            format!("{} {}", request.peer, host.unwrap()),
        )
    });
    let probe = r#"{"/app-health/a/livez": {"httpGet": {"port": 8080}}}"#;
    let address = ("INSTANCE_IP", POD_V6.to_owned());
    let _sidecar = Sidecar::start(&[probers(probe), address]);
    let answer = get(POD_V6, 15020, "/app-health/a/livez");
    assert_eq!(answer.body.to_lowercase(), "::6 host: [fd00::5]:8080");
}

#[test]
fn localhost_is_asked_where_the_mesh_says_so() {
    in_namespace!();
    http("127.0.0.1:8080", |_| {
        (200, String::new(), "local".to_owned())
    });
    let probe = probers(r#"{"/app-health/a/livez": {"httpGet": {"port": 8080}}}"#);
    let sidecar = Sidecar::start(std::slice::from_ref(&probe));
    assert_eq!(get(POD, 15020, "/app-health/a/livez").status, 500);
    drop(sidecar);
    let legacy = (
        "REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION",
        "true".to_owned(),
    );
    let _sidecar = Sidecar::start(&[probe, legacy]);
    assert_eq!(get(POD, 15020, "/app-health/a/livez").body, "local");
}

#[test]
fn probes_are_not_captured() {
    in_namespace!();
    pod::capture();
    http("10.0.0.5:8080", |request| {
        (200, String::new(), request.peer.to_string())
    });
    let annotations = r#"{"port": "8080", "path": "/"}"#.to_owned();
    let _sidecar = Sidecar::start_as_proxy(&[
        probers(r#"{"/app-health/a/livez": {"httpGet": {"port": 8080}}}"#),
        ("ISTIO_PROMETHEUS_ANNOTATIONS", annotations),
    ]);
    assert_eq!(get(POD, 15020, "/app-health/a/livez").body, "127.0.0.6");
    let metrics = get(POD, 15020, "/stats/prometheus").body;
    assert!(
        !metrics.contains("istio_tcp_connections_opened_total{"),
        "{metrics}"
    );
}
