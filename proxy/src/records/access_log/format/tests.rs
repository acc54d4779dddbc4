use std::time::Duration;

use super::*;
use crate::{
    message::Fields,
    records::{
        ConnectionFacts, RequestRecord, ResponseFlag, ResponseFlags, TraceId,
        test_util::{connection, head, request},
    },
};

fn line(format: &Format, entry: &Entry<'_>) -> String {
    let mut line = Vec::new();
    format.write(entry, &mut line);
    String::from_utf8(line).unwrap()
}

fn text(format: &str, request: &RequestRecord<'_>) -> String {
    let (format, remarks) = Format::text(Some(format)).unwrap();
    assert_eq!(remarks, [""; 0]);
    line(&format, &Entry::from(request))
}

#[test]
fn the_default_text_is_istio_s() {
    let (format, remarks) = Format::text(None).unwrap();
    assert_eq!(remarks, [""; 0]);
    let head = head("ratings:9080");
    let expected = "[2016-04-15T20:25:10.007Z] \"GET /a?b=c HTTP/1.1\" 200 - via_upstream - \"-\" 0 300 12 11 \"-\" \
        \"curl/8.1\" \"c0ffee\" \"ratings:9080\" \"10.0.0.9:9080\" outbound|9080|v1|ratings.shop.svc.cluster.local \
        10.0.0.5:41000 10.96.0.7:9080 10.0.0.5:40000 - default\n";
    assert_eq!(line(&format, &Entry::from(&request(&head))), expected);
    let mut flags = ResponseFlags::from(ResponseFlag::UpstreamConnectionFailure);
    flags.insert(ResponseFlag::UpstreamRetryLimitExceeded);
    let failed = RequestRecord {
        status: None,
        flags,
        details: "",
        upstream_failure: Some("delayed connect error: 111"),
        upstream_service_time: None,
        upstream_host: None,
        upstream_local: None,
        cluster: "",
        route: "",
        ..request(&head)
    };
    let expected = "[2016-04-15T20:25:10.007Z] \"GET /a?b=c HTTP/1.1\" 0 URX,UF - - \"delayed_connect_error:_111\" \
        0 300 12 - \"-\" \"curl/8.1\" \"c0ffee\" \"ratings:9080\" \"-\" - - 10.96.0.7:9080 10.0.0.5:40000 - -\n";
    assert_eq!(line(&format, &Entry::from(&failed)), expected);
}

#[test]
fn a_connection_has_no_request() {
    let (format, _) = Format::text(None).unwrap();
    let facts = connection();
    let entry = Entry::of_connection(&facts, Duration::from_millis(1500), (5, 7));
    let expected = "[2016-04-15T20:25:10.007Z] \"- - -\" 0 - - - \"-\" 5 7 1500 - \"-\" \"-\" \"-\" \"-\" \"10.0.0.9:9080\" \
        PassthroughCluster 10.0.0.5:41000 10.96.0.7:9080 10.0.0.5:40000 db.example -\n";
    assert_eq!(line(&format, &entry), expected);
}

#[test]
fn a_connection_that_is_refused_has_the_reason_in_its_line() {
    let (format, _) = Format::text(Some("%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%")).unwrap();
    let facts = ConnectionFacts {
        flags: ResponseFlag::NoRouteFound.into(),
        details: "not_configured",
        ..connection()
    };
    let entry = Entry::of_connection(&facts, Duration::ZERO, (0, 0));
    assert_eq!(line(&format, &entry), "NR not_configured\n");
}

#[test]
fn the_default_json_keeps_numbers_and_says_null() {
    let (format, remarks) = Format::json(None).unwrap();
    assert_eq!(remarks, [""; 0]);
    let head = head("ratings:9080");
    let expected = "{\"authority\":\"ratings:9080\",\"bytes_received\":0,\"bytes_sent\":300,\
        \"connection_termination_details\":null,\"downstream_local_address\":\"10.96.0.7:9080\",\
        \"downstream_remote_address\":\"10.0.0.5:40000\",\"duration\":12,\"method\":\"GET\",\"path\":\"/a?b=c\",\
        \"protocol\":\"HTTP/1.1\",\"request_id\":\"c0ffee\",\"requested_server_name\":null,\
        \"response_code\":200,\"response_code_details\":\"via_upstream\",\"response_flags\":\"-\",\
        \"route_name\":\"default\",\"start_time\":\"2016-04-15T20:25:10.007Z\",\
        \"upstream_cluster\":\"outbound|9080|v1|ratings.shop.svc.cluster.local\",\
        \"upstream_host\":\"10.0.0.9:9080\",\"upstream_local_address\":\"10.0.0.5:41000\",\
        \"upstream_service_time\":\"11\",\"upstream_transport_failure_reason\":null,\
        \"user_agent\":\"curl/8.1\",\"x_forwarded_for\":null}\n";
    assert_eq!(line(&format, &Entry::from(&request(&head))), expected);
}

#[test]
fn a_json_format_may_be_nested() {
    let format = r#"{"q": "", "a": {"b": ["%DURATION%", "in %DURATION% ms", 1, true]}, "p\"": "100%% %RESP(X)%"}"#;
    let (format, _) = Format::json(Some(format)).unwrap();
    let head = head("a");
    let line = line(&format, &Entry::from(&request(&head)));
    let expected = "{\"a\":{\"b\":[12,\"in 12 ms\",1,true]},\"p\\\"\":\"100% -\",\"q\":\"\"}\n";
    assert_eq!(line, expected);
}

#[test]
fn a_client_can_not_forge_a_line() {
    let mut head = head("a");
    let agent = b"x\" 200\\ \r\n[2016] \"GET \x1b[2J \xff";
    head.fields.push(b"x-agent", agent);
    let request = request(&head);
    let plain = text("\"%REQ(X-AGENT)%\" %REQ(:METHOD)%", &request);
    let escaped = "\"x\\x22 200\\x5C \\x0D\\x0A[2016] \\x22GET \\x1B[2J \\xFF\" GET\n";
    assert_eq!(plain, escaped);
    let (format, _) = Format::json(Some(r#"{"a": "%REQ(X-AGENT)%"}"#)).unwrap();
    let json = line(&format, &Entry::from(&request));
    assert_eq!(json.matches('\n').count(), 1);
    let parsed: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(parsed["a"], "x\" 200\\ \r\n[2016] \"GET \u{1b}[2J \u{fffd}");
}

#[test]
fn operators_take_another_field_a_length_and_leave_out_the_query() {
    let head = head("ratings:9080");
    let mut fields = Fields::default();
    fields.push(b"content-type", b"text/html");
    fields.push(b"x-empty", b"");
    let request = RequestRecord {
        response_fields: Some(&fields),
        ..request(&head)
    };
    for (format, expected) in [
        ("%REQ(X-NONE?USER-AGENT):4%", "curl"),
        ("%REQ(USER-AGENT?:PATH):99%", "curl/8.1"),
        ("%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)%", "/a"),
        ("%RESP(content-type)% %RESP(:STATUS)%", "text/html 200"),
        (
            "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_LOCAL_PORT%",
            "10.0.0.5 41000",
        ),
        ("%START_TIME(%s)% %RESPONSE_FLAGS_LONG%", "1460751910 -"),
        ("[%RESP(X-EMPTY)%] [%RESP(X-NONE)%]", "[] [-]"),
        ("100%%\n", "100%"),
        ("", ""),
    ] {
        assert_eq!(text(format, &request), format!("{expected}\n"), "{format}");
    }
}

#[test]
fn whom_a_trusted_proxy_speaks_for_is_told_from_that_proxy() {
    let head = head("a");
    let request = RequestRecord {
        client: Some([1, 2, 3, 4].into()),
        ..request(&head)
    };
    let format = "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS%";
    assert_eq!(text(format, &request), "1.2.3.4:0 10.0.0.5:40000\n");
}

#[test]
fn grpc_statuses_have_names() {
    let head = head("a");
    let request = RequestRecord {
        is_grpc: true,
        grpc_status: Some(5),
        ..request(&head)
    };
    let format = "%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%";
    assert_eq!(text(format, &request), "NotFound NOT_FOUND 5\n");
    let plain = RequestRecord {
        is_grpc: false,
        ..request
    };
    assert_eq!(text(format, &plain), "- - -\n");
    let other = RequestRecord {
        grpc_status: Some(77),
        ..request
    };
    assert_eq!(text("%GRPC_STATUS%", &other), "77\n");
}

#[test]
fn an_operator_that_is_not_known_is_named_and_written_as_a_dash() {
    let format = "%STREAM_ID% %START_TIME(%Q)% %PROTOCOL%";
    let (format, remarks) = Format::text(Some(format)).unwrap();
    assert_eq!(
        remarks,
        ["%STREAM_ID% is not supported", "START_TIME can't show %Q"]
    );
    let head = head("a");
    assert_eq!(
        line(&format, &Entry::from(&request(&head))),
        "- - HTTP/1.1\n"
    );
}

#[test]
fn rejects_text_that_is_no_format() {
    for format in ["%", "%REQ(A", "50% of", "%lower%"] {
        let error = Format::text(Some(format)).unwrap_err();
        assert!(matches!(error, FormatError::Operator(_)), "{format}");
    }
    let json = |text: &str| Format::json(Some(text)).unwrap_err();
    assert!(matches!(json("[]"), FormatError::Json(_)));
    assert!(matches!(json(r#"{"a": "%"}"#), FormatError::Operator(_)));
    let deep = format!("{{\"a\": {}1{}}}", "[".repeat(20), "]".repeat(20));
    assert!(matches!(json(&deep), FormatError::Depth));
}

#[test]
fn shows_the_trace() {
    let head = head("ratings:9080");
    let mut record = request(&head);
    assert_eq!(text("%TRACE_ID%", &record), "-\n");
    record.trace = TraceId::new(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
    let expected = "0af7651916cd43dd8448eb211c80319c\n";
    assert_eq!(text("%TRACE_ID%", &record), expected);
}
