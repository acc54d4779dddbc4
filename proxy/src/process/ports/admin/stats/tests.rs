use http_body_util::BodyExt as _;

use super::*;

const OWN: &str = "# TYPE istio_requests counter\nistio_requests_total{response_code=\"200\"} 3\n\
                   istio_requests_total{response_code=\"503\"} 0\n\
                   # TYPE process_open_fds gauge\nprocess_open_fds 0\n# EOF\n";

async fn asked(query: &str) -> (String, String) {
    let wanted = Wanted::parse(Some(query)).unwrap();
    let server = [("server.live", "1".to_owned())];
    let response = answer(OWN.to_owned(), &server, &wanted).unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap();
    let kind = kind.to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (kind, String::from_utf8(body.to_vec()).unwrap())
}

async fn body(query: &str) -> String {
    asked(query).await.1
}

fn refused(query: &str) -> NoStats {
    Wanted::parse(Some(query)).unwrap_err()
}

#[tokio::test]
async fn shows_all_unless_told_otherwise() {
    assert_eq!(
        body("").await,
        "istio_requests_total{response_code=\"200\"}: 3\nistio_requests_total{response_code=\"503\"}: 0\n\
         process_open_fds: 0\nserver.live: 1\n"
    );
}

#[tokio::test]
async fn a_filter_matches_anywhere_in_names_and_labels() {
    for (filter, shown) in [
        ("live", "server.live: 1\n"),
        ("^live", ""),
        (r"^server\.", "server.live: 1\n"),
        (
            "code=%2250[0-9]%22",
            "istio_requests_total{response_code=\"503\"}: 0\n",
        ),
        (r"_f\w%2bs$", "process_open_fds: 0\n"),
    ] {
        assert_eq!(body(&format!("filter={filter}")).await, shown, "{filter}");
    }
}

#[tokio::test]
async fn used_only_leaves_out_counters_that_never_counted() {
    assert_eq!(
        body("usedonly").await,
        "istio_requests_total{response_code=\"200\"}: 3\nprocess_open_fds: 0\nserver.live: 1\n"
    );
    assert_eq!(body("usedonly&filter=503").await, "");
}

#[tokio::test]
async fn filters_what_prometheus_gets() {
    let (kind, text) = asked("format=prometheus&usedonly&filter=requests").await;
    assert_eq!(kind, CONTENT_TYPE);
    assert_eq!(
        text,
        "# TYPE istio_requests_total counter\nistio_requests_total{response_code=\"200\"} 3\n"
    );
    assert_eq!(body("format=prometheus").await, OWN);
}

#[tokio::test]
async fn filters_json() {
    let text = body("format=json&filter=live").await;
    let stats: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        stats,
        json!({"stats": [{"name": "server.live", "value": 1}]})
    );
}

#[test]
fn the_first_of_a_parameter_counts() {
    let wanted = Wanted::parse(Some("format=json&format=text&filter=a&filter=b")).unwrap();
    assert_eq!(wanted.shape, Some(Shape::Json));
    assert_eq!(wanted.filter.unwrap().as_str(), "a");
}

#[test]
fn refuses_what_it_does_not_do() {
    assert!(matches!(refused("type=Counters"), NoStats::Parameter(_)));
    assert!(matches!(refused("format=html"), NoStats::Shape(_)));
    assert!(matches!(refused("filter=("), NoStats::Filter(_)));
    assert_eq!(
        refused("filter=(").into_response().status(),
        StatusCode::BAD_REQUEST
    );
}

#[test]
fn bounds_filters() {
    let long = format!("filter={}", "a".repeat(MAX_FILTER + 1));
    assert!(matches!(refused(&long), NoStats::LongFilter));
    let deep = format!("filter={}a{}", "(".repeat(30), ")".repeat(30));
    assert!(matches!(refused(&deep), NoStats::Filter(_)));
    assert!(matches!(
        refused("filter=((a{99}){99}){99}"),
        NoStats::Filter(_)
    ));
}
