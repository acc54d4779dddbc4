//! Bounds on what one VirtualService may cost.

use super::*;

/// The proxy rejects a whole table for what it does not take.
#[test]
fn refuses_more_than_the_proxy_takes() {
    let long = "a".repeat(8193);
    assert_eq!(
        condition(&format!("uri: {{exact: '{long}'}}")),
        ".uri: has more than 8192 bytes"
    );
    let map: String = (0..257)
        .map(|number| format!("x{number}: {{}}, "))
        .collect();
    assert!(
        condition(&format!("headers: {{{map}}}"))
            .contains("has 257 elements; there can't be more than 256")
    );
    assert!(condition("queryParams: {'': {exact: a}}").contains("must not be empty"));
    // A route's and those of its only destination are joined.
    let map: String = (0..129).map(|number| format!("x{number}: z, ")).collect();
    assert!(
        with(&format!("headers: {{request: {{set: {{{map}}}}}}}"))
            .contains("headers.request: has 129 elements; there can't be more than 128")
    );
    let codes: Vec<String> = (0..101).map(|code| (200 + code).to_string()).collect();
    let retries = format!("retries: {{attempts: 1, retryOn: '{}'}}", codes.join(","));
    assert!(with(&retries).contains("retryOn: has 101 elements"));
    for times in [
        "timeout: 87601h",
        "retries: {attempts: 1, perTryTimeout: 87601h}",
        "retries: {attempts: 1, backoff: 87601h}",
    ] {
        let said = with(times);
        assert!(
            said.ends_with("must be at most ten years (87600h)"),
            "{said}"
        );
    }
    let rewrite = |text: &str| {
        with(&format!(
            "rewrite: {{uriRegexRewrite: {{match: '(a)', rewrite: '{text}'}}}}"
        ))
    };
    assert!(rewrite(r"\2").contains("refers to group 2, which the expression does not have"));
    assert!(rewrite(r"\x").contains("a backslash must have a digit"));
}

#[test]
fn bounds_what_every_host_has() {
    let hosts = |count: usize| -> String {
        let hosts: Vec<String> = (0..count).map(|number| format!("h{number}")).collect();
        hosts.join(", ")
    };
    let route = "route: [{destination: {host: a}}]";
    assert!(
        fault(&format!("{{hosts: [{}], http: [{{{route}}}]}}", hosts(257)))
            .starts_with("spec.hosts: has 257 elements; there can't be more than 256")
    );
    let matches = vec!["{uri: {exact: /a}}"; 65].join(", ");
    assert_eq!(
        fault(&format!(
            "{{hosts: [{}], http: [{{match: [{matches}], {route}}}]}}",
            hosts(256)
        )),
        "spec.http: has 256 hosts and 65 elements of match, which multiply to 16640; there can't be more than 16384: use several objects"
    );
    let destinations = vec!["{destination: {host: a}, weight: 1}"; 257].join(", ");
    assert!(
        fault(&format!(
            "{{hosts: [{}], http: [{{route: [{destinations}]}}]}}",
            hosts(256)
        ))
        .starts_with("spec.http: has 256 hosts and 257 destinations")
    );
    let matches = ["{port: 1}"; 5].join(", ");
    assert!(
        fault(&format!(
            "{{hosts: [{}], tcp: [{{match: [{matches}], {route}}}]}}",
            hosts(256)
        ))
        .starts_with("spec.tcp: has 256 hosts and 5 elements of match")
    );
    let gateways = vec!["g"; 257].join(", ");
    assert!(
        fault(&format!(
            "{{hosts: [a], gateways: [{gateways}], http: [{{{route}}}]}}"
        ))
        .starts_with("spec.gateways: has 257 elements")
    );
}

#[test]
fn bounds_the_body_of_an_answer() {
    let with = |bytes| {
        let body = "a".repeat(bytes);
        format!(
            "{{hosts: [a], http: [{{directResponse: {{status: 200, body: {{string: {body}}}}}}}]}}"
        )
    };
    assert_eq!(
        warnings(Kind::VirtualService, &with(64 << 10)),
        Vec::<String>::new()
    );
    assert!(
        fault(&with((64 << 10) + 1))
            .contains("body: has 65537 bytes; every proxy keeps it, and takes 65536 at most")
    );
}

#[test]
fn bounds_the_number_of_regular_expressions() {
    let list = vec!["{uri: {regex: a}}"; 51].join(",");
    assert!(
        with(&format!("match: [{list}]"))
            .contains("an object can't have more than 50 regular expressions")
    );
}

/// An expression takes 256 KiB at most, so that 50 of them would be 12 MiB in every proxy.
#[test]
fn bounds_what_all_regular_expressions_take() {
    let list = |count| vec![r"{uri: {regex: '\w{4}'}}"; count].join(",");
    let spec = |count| {
        format!(
            "{{hosts: [a], http: [{{match: [{}], route: [{{destination: {{host: a}}}}]}}]}}",
            list(count)
        )
    };
    read(Kind::VirtualService, &spec(5)).unwrap();
    let fault = fault(&spec(9));
    assert!(
        fault.contains("the object's regular expressions take more than 2048 KiB compiled"),
        "{fault}"
    );
}

/// Each element of `match` is a route with all that the rule says.
#[test]
fn bounds_what_elements_of_match_multiply() {
    let list = |one: &str, count: usize| vec![one; count].join(", ");
    let matches = |count| list("{uri: {exact: /a}}", count);
    let spec = |count, rest: &str| {
        format!(
            "{{hosts: [a], http: [{{match: [{}], {rest}}}]}}",
            matches(count)
        )
    };
    let route = |count| {
        let targets = list("{destination: {host: a}, weight: 1}", count);
        format!("route: [{targets}], headers: {{request: {{set: {{a: b, c: d}}}}}}")
    };
    read(Kind::VirtualService, &spec(500, &route(100))).unwrap();
    let too_many = fault(&spec(700, &route(100)));
    assert!(
        too_many.starts_with("spec.http: has 71400 destinations and changes of headers"),
        "{too_many}"
    );
    let body = |bytes| {
        let body = "x".repeat(bytes);
        format!("directResponse: {{status: 503, body: {{string: {body}}}}}")
    };
    read(Kind::VirtualService, &spec(400, &body(10_000))).unwrap();
    let too_long = fault(&spec(450, &body(10_000)));
    assert!(
        too_long.starts_with("spec.http: has 4500900 bytes of text"),
        "{too_long}"
    );
}
