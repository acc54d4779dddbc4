use super::*;
use crate::records::{flags::ResponseFlag, test_util::workload};

const OK: Outcome = Outcome {
    direction: Direction::Outbound,
    is_grpc: false,
    status: 200,
    grpc_status: None,
    flags: ResponseFlags::NONE,
    parties: 0,
};

fn destination<'a>(direction: Direction, route: &str, cluster: &'a str) -> Destination<'a> {
    Destination::new(direction, route, cluster, b"shop.example:80")
}

fn value<'a>(labels: &'a str, name: &str) -> &'a str {
    let start = format!(",{name}=\"");
    let (_, rest) = labels.split_once(&start).unwrap();
    rest.split('"').next().unwrap()
}

/// Name, service's namespace and service of a request's destination.
fn service(direction: Direction, route: &str, cluster: &str) -> [String; 3] {
    let outcome = Outcome { direction, ..OK };
    let labels = of_request(
        &workload(),
        outcome,
        destination(direction, route, cluster),
        None,
    );
    let names = [
        "destination_service_name",
        "destination_service_namespace",
        "destination_service",
    ];
    names.map(|name| value(&labels, name).to_owned())
}

#[test]
fn a_client_reports_25_labels_in_istio_s_order() {
    let to = Destination::Host("ratings.shop.svc.cluster.local");
    let labels = of_request(&workload(), OK, to, None);
    let expected = "reporter=\"source\",source_workload=\"reviews-v1\",source_canonical_service=\"reviews\",\
        source_canonical_revision=\"v1\",source_workload_namespace=\"shop\",source_principal=\"unknown\",\
        source_app=\"reviews\",source_version=\"v1\",source_cluster=\"Kubernetes\",destination_workload=\"unknown\",\
        destination_workload_namespace=\"shop\",destination_principal=\"unknown\",destination_app=\"unknown\",\
        destination_version=\"unknown\",destination_service=\"ratings.shop.svc.cluster.local\",\
        destination_canonical_service=\"unknown\",destination_canonical_revision=\"latest\",\
        destination_service_name=\"ratings\",destination_service_namespace=\"shop\",destination_cluster=\"unknown\",\
        request_protocol=\"http\",response_code=\"200\",grpc_response_status=\"\",response_flags=\"-\",\
        connection_security_policy=\"unknown\"";
    assert_eq!(labels, expected);
    assert_eq!(labels.matches("=\"").count(), 25);
}

#[test]
fn a_server_reports_itself() {
    let outcome = Outcome {
        direction: Direction::Inbound,
        is_grpc: true,
        grpc_status: Some(14),
        flags: ResponseFlag::UpstreamConnectionFailure.into(),
        ..OK
    };
    let to = destination(Direction::Inbound, "default", "inbound|9080||");
    let labels = of_request(&workload(), outcome, to, None);
    let expected = "reporter=\"destination\",source_workload=\"unknown\",source_canonical_service=\"unknown\",\
        source_canonical_revision=\"latest\",source_workload_namespace=\"unknown\",source_principal=\"unknown\",\
        source_app=\"unknown\",source_version=\"unknown\",source_cluster=\"unknown\",destination_workload=\"reviews-v1\",\
        destination_workload_namespace=\"shop\",destination_principal=\"unknown\",destination_app=\"reviews\",\
        destination_version=\"v1\",destination_service=\"reviews\",destination_canonical_service=\"reviews\",\
        destination_canonical_revision=\"v1\",destination_service_name=\"reviews\",destination_service_namespace=\"shop\",\
        destination_cluster=\"Kubernetes\",request_protocol=\"grpc\",response_code=\"200\",grpc_response_status=\"14\",\
        response_flags=\"UF\",connection_security_policy=\"none\"";
    assert_eq!(labels, expected);
}

#[test]
fn a_connection_reports_23_labels() {
    let to = Destination::new(Direction::Outbound, "", "PassthroughCluster", b"");
    let labels = of_connection(
        &workload(),
        Direction::Outbound,
        ResponseFlags::NONE,
        to,
        None,
    );
    assert_eq!(labels.matches("=\"").count(), 23);
    assert_eq!(value(&labels, "destination_service"), "unknown");
    assert_eq!(
        value(&labels, "destination_service_name"),
        "PassthroughCluster"
    );
    assert!(labels.ends_with(
        ",request_protocol=\"tcp\",response_flags=\"-\",connection_security_policy=\"unknown\""
    ));
}

#[test]
fn the_service_follows_from_route_and_cluster() {
    let asked = "shop.example:80";
    let out = |route, cluster| service(Direction::Outbound, route, cluster);
    let passthrough = ["PassthroughCluster", "unknown", asked];
    assert_eq!(out("allow_any", "PassthroughCluster"), passthrough);
    assert_eq!(out("", "PassthroughCluster"), passthrough);
    let blocked = ["BlackHoleCluster", "unknown", asked];
    assert_eq!(out("block_all", ""), blocked);
    assert_eq!(out("", ""), [asked, "unknown", asked]);
    let external = ["api", "unknown", "api.example.com"];
    assert_eq!(out("", "outbound|443||api.example.com"), external);
    let into = |cluster| service(Direction::Inbound, "", cluster);
    assert_eq!(
        into("InboundPassthroughCluster"),
        ["InboundPassthroughCluster", "shop", "reviews"]
    );
    assert_eq!(into("inbound|80||"), ["reviews", "shop", "reviews"]);
}

#[test]
fn an_authority_can_not_leave_its_label() {
    let authority = b"a\"} 1\nb{c=\"\\d\r\xff";
    let to = Destination::new(Direction::Outbound, "", "", authority);
    let labels = of_request(&workload(), OK, to, None);
    let expected = "destination_service=\"a\\\"} 1\\nb{c=\\\"\\\\d\u{fffd}\u{fffd}\",";
    assert!(labels.contains(expected), "{labels}");
}

#[test]
fn a_name_longer_than_dns_allows_has_no_series_of_its_own() {
    let long = vec![b'a'; MAX_AUTHORITY + 1];
    let new = |asked| Destination::new(Direction::Outbound, "", "", asked);
    assert_eq!(new(&long), Destination::Overflow);
    assert_eq!(new(&long[1..]).origin(), Origin::Client);
    assert_eq!(new(&long).origin(), Origin::Configured);
    assert_eq!(new(b"").origin(), Origin::Configured);
}

#[test]
fn what_is_not_known_of_the_workload_is_unknown() {
    let labels = of_request(&Workload::default(), OK, Destination::Overflow, None);
    assert_eq!(value(&labels, "source_workload"), "unknown");
    assert_eq!(value(&labels, "source_canonical_revision"), "latest");
    assert_eq!(value(&labels, "destination_service"), "overflow");
}

#[test]
fn a_server_says_who_its_client_is_if_that_is_proved() {
    let outcome = Outcome {
        direction: Direction::Inbound,
        ..OK
    };
    let to = || destination(Direction::Inbound, "", "inbound|9080||");
    let parties = Parties::new("spiffe://a/ns/b/sa/web", "spiffe://a/ns/b/sa/reviews");
    let proved = of_request(&workload(), outcome, to(), Some(&parties));
    let plain = of_request(&workload(), outcome, to(), None);
    let names = [
        "source_principal",
        "destination_principal",
        "connection_security_policy",
    ];
    let values = |labels: &str| names.map(|name| value(labels, name).to_owned());
    let (client, server) = ("spiffe://a/ns/b/sa/web", "spiffe://a/ns/b/sa/reviews");
    assert_eq!(values(&proved), [client, server, "mutual_tls"]);
    assert_eq!(values(&plain), ["unknown", "unknown", "none"]);
}
