//! What requests and connections leave in the metrics.

use http::StatusCode;

use super::{
    Records, RequestRecord, ResponseFlag, ResponseFlags,
    registry::SWEEPS,
    request_series::CAPS,
    test_util::{connection, head, request, workload},
};

fn records() -> Records {
    Records::new(workload(), None)
}

fn text(records: &Records) -> String {
    let mut text = String::new();
    records.encode(&mut text);
    text
}

/// The values of a metric's series whose labels contain all of these.
fn values(records: &Records, name: &str, labels: &[&str]) -> Vec<u64> {
    let text = text(records);
    let start = format!("{name}{{");
    let lines = text.lines().filter(|line| line.starts_with(&start));
    let lines = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
    lines
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect()
}

fn total(records: &Records, name: &str) -> u64 {
    let start = format!("{name} ");
    let text = text(records);
    let line = text.lines().find(|line| line.starts_with(&start));
    line.unwrap()[start.len()..].parse().unwrap()
}

#[test]
fn workers_count_together() {
    let records = records();
    let workers = [records.recorder(), records.recorder()];
    let head = head("ratings:9080");
    for worker in &workers {
        for _ in 0..3 {
            worker.request(&request(&head));
        }
    }
    assert_eq!(values(&records, "istio_requests_total", &[]), [6]);
    let name = "istio_request_duration_milliseconds";
    assert_eq!(values(&records, &format!("{name}_sum"), &[]), [72]);
    assert_eq!(values(&records, &format!("{name}_count"), &[]), [6]);
    let bucket = |bound: &str| {
        let bound = format!(",le=\"{bound}\"}}");
        values(&records, &format!("{name}_bucket"), &[&bound])
    };
    assert_eq!(
        (bucket("10"), bucket("25"), bucket("+Inf")),
        (vec![0], vec![6], vec![6])
    );
    assert_eq!(values(&records, "istio_response_bytes_sum", &[]), [1800]);
    assert_eq!(
        values(&records, "istio_request_bytes_bucket", &["le=\"0.5\""]),
        [6]
    );
}

#[test]
fn requests_that_end_otherwise_are_other_series() {
    let records = records();
    let recorder = records.recorder();
    let head = head("ratings:9080");
    let ok = request(&head);
    let mut flags = ResponseFlags::default();
    flags.insert(ResponseFlag::NoHealthyUpstream);
    let status = Some(StatusCode::SERVICE_UNAVAILABLE);
    let grpc = RequestRecord {
        is_grpc: true,
        grpc_status: Some(99),
        ..ok
    };
    let others = [
        RequestRecord {
            status,
            flags,
            ..ok
        },
        RequestRecord { status: None, ..ok },
        // Of a request that is not gRPC, it is not reported.
        RequestRecord {
            grpc_status: Some(3),
            ..ok
        },
        grpc,
    ];
    others.iter().for_each(|other| recorder.request(other));
    let count = |labels: &[&str]| values(&records, "istio_requests_total", labels);
    assert_eq!(
        count(&["response_code=\"503\"", "response_flags=\"UH\""]),
        [1]
    );
    assert_eq!(count(&["response_code=\"0\""]), [1]);
    assert_eq!(
        count(&["response_code=\"200\"", "grpc_response_status=\"\""]),
        [1]
    );
    assert_eq!(
        count(&["request_protocol=\"grpc\"", "grpc_response_status=\"-1\""]),
        [1]
    );
    assert_eq!(count(&[]).len(), 4);
}

#[test]
fn what_clients_ask_for_makes_a_bounded_number_of_series() {
    let records = records();
    let recorder = records.recorder();
    let many = CAPS.clients + 50;
    for number in 0..many {
        let head = head(&format!("host-{number}"));
        let record = RequestRecord {
            cluster: "PassthroughCluster",
            ..request(&head)
        };
        recorder.request(&record);
        recorder.request(&record);
    }
    let name = "istio_requests_total";
    assert_eq!(values(&records, name, &[]).len(), CAPS.clients + 1);
    let overflow = ["destination_service=\"overflow\"", "response_code=\"200\""];
    assert_eq!(values(&records, name, &overflow), [100]);
    assert_eq!(
        total(&records, "pillion_metric_series_overflows_total"),
        100
    );
    // What the configuration names has a place all the same.
    recorder.request(&request(&head("a")));
    assert_eq!(
        values(&records, name, &["destination_service_name=\"ratings\""]),
        [1]
    );
}

#[test]
fn all_series_together_are_bounded() {
    let records = records();
    let recorder = records.recorder();
    let head = head("a");
    let many = CAPS.all + 10;
    for number in 0..many {
        let cluster = format!("outbound|80||host-{number}");
        recorder.request(&RequestRecord {
            cluster: &cluster,
            ..request(&head)
        });
    }
    let name = "istio_requests_total";
    assert_eq!(values(&records, name, &[]).len(), CAPS.all + 1);
    let overflow = ["destination_service=\"overflow\"", "response_code=\"0\""];
    assert_eq!(values(&records, name, &overflow), [10]);
    for _ in 0..=SWEEPS {
        records.sweep();
    }
    recorder.request(&request(&head));
    assert_eq!(values(&records, name, &[]), [1]);
}

#[test]
fn a_series_that_is_used_again_after_its_end_starts_from_nothing() {
    let records = records();
    let recorder = records.recorder();
    let head = head("a");
    let name = "istio_requests_total";
    recorder.request(&request(&head));
    for _ in 0..=SWEEPS {
        records.sweep();
    }
    assert!(!text(&records).contains(name));
    recorder.request(&request(&head));
    assert_eq!(values(&records, name, &[]), [1]);
}

#[test]
fn a_connection_is_counted_while_it_lives() {
    let records = records();
    let recorder = records.recorder();
    let live = recorder.connection(connection());
    live.add_sent(7);
    live.add_received(5);
    for _ in 0..=SWEEPS {
        records.sweep();
    }
    let count = |name: &str| values(&records, &format!("istio_tcp_{name}_total"), &[]);
    assert_eq!(
        (count("sent_bytes"), count("received_bytes")),
        (vec![7], vec![5])
    );
    assert_eq!(
        (count("connections_opened"), count("connections_closed")),
        (vec![1], vec![0])
    );
    live.closed(ResponseFlag::DownstreamConnectionTermination.into());
    assert_eq!(count("connections_closed"), [1]);
    for _ in 0..=SWEEPS {
        records.sweep();
    }
    assert!(count("connections_opened").is_empty());
}

#[test]
fn a_connection_that_fails_is_a_series_of_its_own() {
    let records = records();
    let recorder = records.recorder();
    let mut facts = connection();
    facts.flags.insert(ResponseFlag::UpstreamConnectionFailure);
    drop(recorder.connection(facts));
    drop(recorder.connection(connection()));
    for name in [
        "istio_tcp_connections_opened_total",
        "istio_tcp_connections_closed_total",
    ] {
        assert_eq!(values(&records, name, &["response_flags=\"UF\""]), [1]);
        assert_eq!(values(&records, name, &["response_flags=\"-\""]), [1]);
    }
}

#[test]
fn the_exposition_is_openmetrics() {
    let records = records();
    let recorder = records.recorder();
    recorder.request(&request(&head("a")));
    drop(recorder.connection(connection()));
    let text = text(&records);
    for head in [
        "# HELP istio_requests Requests.\n# TYPE istio_requests counter\nistio_requests_total{reporter=",
        "# TYPE istio_request_duration_milliseconds histogram\nistio_request_duration_milliseconds_bucket{",
        "# TYPE istio_tcp_sent_bytes counter\nistio_tcp_sent_bytes_total{",
        "# TYPE pillion_access_log_dropped_lines counter\npillion_access_log_dropped_lines_total 0\n",
    ] {
        assert!(text.contains(head), "{head}: {text}");
    }
}
