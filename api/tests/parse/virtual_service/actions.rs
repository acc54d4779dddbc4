//! What routes do: destinations, times, headers, redirects and answers.

use super::*;

#[test]
fn refuses_routes_without_exactly_one_action() {
    assert_eq!(fault("{hosts: [a]}"), "spec: must have routes: http or tcp");
    assert_eq!(
        fault("{hosts: [a], http: [{match: [{uri: {prefix: /a}}]}]}"),
        "spec.http[0]: must say what to do with requests: route, redirect or directResponse"
    );
    assert!(with("redirect: {uri: /b}").contains("only one of route and redirect may be set"));
    assert!(
        fault("{hosts: [a], http: [{redirect: {uri: /b}, rewrite: {uri: /c}}]}")
            .contains("spec.http[0].rewrite: has no effect on a redirect")
    );
}

/// The proxy refuses a whole table in which a route changes one of them.
#[test]
fn refuses_changes_of_the_headers_of_a_connection() {
    for name in [
        "Connection",
        "content-length",
        "HTTP2-Settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ] {
        for changes in [
            format!("request: {{set: {{{name}: a}}}}"),
            format!("request: {{add: {{{name}: a}}}}"),
            format!("response: {{set: {{{name}: a}}}}"),
            format!("response: {{remove: [{name}]}}"),
        ] {
            let said = with(&format!("headers: {{{changes}}}"));
            assert!(said.ends_with("it belongs to the connection"), "{said}");
        }
    }
    for value in ["' a'", "'a '", "\"a\\t\""] {
        let said = with(&format!("headers: {{request: {{set: {{x: {value}}}}}}}"));
        assert!(said.ends_with("must not have spaces at its ends"), "{said}");
    }
}

#[test]
fn refuses_destinations_that_cannot_be() {
    assert_eq!(
        fault("{hosts: [a], http: [{route: [{}]}]}"),
        "spec.http[0].route[0].destination.host: must be set"
    );
    assert!(
        fault("{hosts: [a], http: [{route: [{destination: {host: '*.a'}}]}]}")
            .contains("a route can't lead to a wildcard")
    );
    assert!(
        fault("{hosts: [a], http: [{route: [{destination: {host: a, subset: 'v.1'}}]}]}")
            .contains("subset: \"v.1\" is not made of")
    );
    assert!(
        fault("{hosts: [a], http: [{route: [{destination: {host: a, port: {}}}]}]}")
            .contains("port.number: must be a number")
    );
    assert!(
        fault(
            "{hosts: [a], http: [{route: [{destination: {host: a}}, {destination: {host: b}}]}]}"
        )
        .contains("the weights add up to 0")
    );
}

#[test]
fn refuses_times_and_retries_that_cannot_be() {
    assert_eq!(
        with("timeout: 0s"),
        "spec.http[0].timeout: must be at least 1ms"
    );
    assert_eq!(
        with("timeout: 1500us"),
        "spec.http[0].timeout: must be in whole milliseconds"
    );
    assert!(
        with("timeout: '5'")
            .starts_with("spec.http[0].timeout: a duration is a number with a unit")
    );
    assert!(
        with("retries: {perTryTimeout: 1s}").starts_with("spec.http[0].retries.attempts: is 0")
    );
    assert!(
        with("retries: {attempts: 1, retryOn: '5xx,foo'}")
            .contains("\"foo\" is neither a status nor a condition")
    );
    assert!(with("retries: {attempts: 1, retryOn: '5xx, reset'}").contains("without spaces"));
    assert!(
        with("retries: {attempts: 1, retryRemoteLocalities: true}")
            .contains("retryRemoteLocalities: this field of Istio's API is not built yet")
    );
}

#[test]
fn accepts_times_and_retries_that_can_be() {
    for fields in [
        "timeout: 1h1m1s",
        "retries: {attempts: 0}",
        "retries: {attempts: 3, perTryTimeout: 2s, retryOn: 'gateway-error,503,reset', backoff: 10ms}",
    ] {
        let spec =
            format!("{{hosts: [a], http: [{{{fields}, route: [{{destination: {{host: a}}}}]}}]}}");
        assert_eq!(
            warnings(Kind::VirtualService, &spec),
            Vec::<String>::new(),
            "{fields}"
        );
    }
}

#[test]
fn refuses_header_changes_that_cannot_be() {
    assert!(
        with("headers: {request: {set: {host: b}, add: {':authority': c}}}")
            .contains("headers.request: changes the host more than once")
    );
    assert!(
        with("headers: {request: {remove: [host]}}")
            .contains("headers.request.remove[0]: the host can only be changed")
    );
    assert!(
        with("headers: {response: {set: {host: b}}}")
            .contains("headers.response.set[host]: the host can only be changed")
    );
    assert!(
        with("headers: {request: {remove: [':path']}}").contains("pseudo headers can't be changed")
    );
    assert!(with("headers: {request: {set: {x: \"a\\nb\"}}}").contains("control characters"));
    assert!(
        with("headers: {request: {set: {x: '%REQ(y)%'}}}")
            .contains("variables between `%` signs are not built yet")
    );
    assert!(
        with("headers: {request: {set: {host: b.com}}}, rewrite: {authority: c.com}")
            .contains("the host is changed already")
    );
}

#[test]
fn accepts_header_changes_that_can_be() {
    let spec = "{hosts: [a], http: [{headers: {request: {set: {':authority': 'b.com:80', x: '100%%'}, add: {y: z}, remove: [w]}, response: {set: {s: t}}}, route: [{destination: {host: a}, headers: {request: {set: {host: c.com}}}}]}]}";
    assert_eq!(warnings(Kind::VirtualService, spec), Vec::<String>::new());
}

#[test]
fn refuses_redirects_and_answers_that_cannot_be() {
    let redirect = |fields: &str| {
        fault(&format!(
            "{{hosts: [a], http: [{{match: [{{uri: {{exact: /a}}}}], redirect: {{{fields}}}}}]}}"
        ))
    };
    assert!(redirect("redirectCode: 301").contains("must say where to"));
    assert!(
        redirect("uri: /b, redirectCode: 305")
            .contains("must be 301, 302, 303, 307 or 308, not 305")
    );
    assert!(redirect("prefixRewrite: /b").contains("every uri in match has to be a prefix"));
    assert!(redirect("uri: /b, scheme: ftp").contains("must be http or https"));
    assert!(
        redirect("uri: /b, port: 80, derivePort: FROM_REQUEST_PORT")
            .contains("only one of port and derivePort")
    );
    let answer = |fields: &str| {
        fault(&format!(
            "{{hosts: [a], http: [{{directResponse: {{{fields}}}}}]}}"
        ))
    };
    assert!(
        answer("body: {string: a}").contains("status: must be a status from 200 to 599, not 0")
    );
    assert!(answer("status: 200, body: {bytes: '!'}").contains("bytes must be base64"));
    assert!(answer("status: 200, body: {}").contains("exactly one of string and bytes"));
    assert!(with("rewrite: {}").contains("must say what to change"));
    assert!(
        with("rewrite: {uri: /b, uriRegexRewrite: {match: a, rewrite: b}}")
            .contains("only one of uri and uriRegexRewrite")
    );
}
