//! `VirtualService`.

use pillion_api::{AnyObject, Kind, StringMatch};

use crate::{read, warnings};

fn fault(text: &str) -> String {
    crate::fault(Kind::VirtualService, text)
}

/// The fault of a route with these fields besides its destination.
fn with(fields: &str) -> String {
    fault(&format!(
        "{{hosts: [a], http: [{{{fields}, route: [{{destination: {{host: a}}}}]}}]}}"
    ))
}

/// The fault of a route with this condition.
fn condition(text: &str) -> String {
    let said = with(&format!("match: [{{{text}}}]"));
    said.strip_prefix("spec.http[0].match[0]")
        .unwrap_or(&said)
        .to_owned()
}

#[test]
fn reads_conditions() {
    let spec = "{hosts: [a], http: [{match: [{uri: {prefix: /a}, headers: {end-user: {exact: jason}, x: {}}}], route: [{destination: {host: a}}]}]}";
    let (AnyObject::VirtualService(object), _) = read(Kind::VirtualService, spec).unwrap() else {
        panic!()
    };
    let condition = &object.spec.http[0].matches[0];
    assert_eq!(condition.uri, Some(StringMatch::Prefix("/a".to_owned())));
    assert_eq!(
        condition.headers["end-user"],
        StringMatch::Exact("jason".to_owned())
    );
    assert_eq!(condition.headers["x"], StringMatch::Present);
}

#[test]
fn refuses_hosts_that_cannot_be() {
    assert!(
        fault("{http: [{route: [{destination: {host: a}}]}]}")
            .contains("a VirtualService without hosts (a delegate) is not built yet")
    );
    assert!(
        fault("{hosts: ['*'], http: [{route: [{destination: {host: a}}]}]}")
            .starts_with("spec.hosts[0]: `*` is only for gateways")
    );
    assert!(
        fault("{hosts: ['*'], gateways: [g, mesh], http: [{route: [{destination: {host: a}}]}]}")
            .contains("only for gateways")
    );
    assert!(
        fault("{hosts: ['a_b'], http: [{route: [{destination: {host: a}}]}]}")
            .contains("is no DNS name")
    );
    assert!(
        fault("{hosts: [a.com, '*.com'], http: [{route: [{destination: {host: a}}]}]}")
            .contains("a.com is in the list already, as *.com")
    );
}

#[test]
fn accepts_hosts_that_can_be() {
    let spec = "{hosts: [reviews, '*.example.com', 10.0.0.1, '::1', reviews.shop.svc.cluster.local], http: [{route: [{destination: {host: a}}]}]}";
    assert_eq!(warnings(Kind::VirtualService, spec), Vec::<String>::new());
    let spec = "{hosts: ['*'], gateways: [g, shop/g], http: [{route: [{destination: {host: a}}]}]}";
    assert_eq!(warnings(Kind::VirtualService, spec), Vec::<String>::new());
}

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

#[test]
fn sees_a_rule_that_a_dash_has_split() {
    let said = fault(
        "{hosts: [a], http: [{match: [{uri: {prefix: /a}}]}, {route: [{destination: {host: a}}]}]}",
    );
    assert!(said.ends_with("is the route in the next element meant, which has no match? Then remove the `-` in front of it"), "{said}");
}

#[test]
fn refuses_conditions_that_cannot_be() {
    assert_eq!(
        condition("uri: {}"),
        ".uri: must say exact, prefix or regex"
    );
    assert_eq!(
        condition("uri: {exact: a, prefix: b}"),
        ".uri: only one of exact, prefix and regex may be set"
    );
    assert_eq!(
        condition("method: {prefix: ''}"),
        ".method: prefix must not be empty"
    );
    assert!(
        condition("headers: {x: {regex: '*'}}")
            .starts_with(".headers[x]: `*` has nothing to repeat")
    );
    assert!(
        condition("uri: {regex: '('}").starts_with(".uri: the expression is not in RE2's syntax: ")
    );
    assert!(
        condition("headers: {'a b': {}}")
            .starts_with(".headers[a b]: \"a b\" is no name of a header")
    );
    assert_eq!(
        condition("headers: {'@request.auth.claims.sub': {exact: a}}"),
        ".headers[@request.auth.claims.sub]: conditions on a token's claims are not built yet"
    );
    assert!(condition("gateways: ['a/b/c']").starts_with(".gateways[0]: must be `mesh`"));
    assert!(condition("sourceLabels: {'a b': c}").starts_with(".sourceLabels[a b]: "));
    assert!(condition("sourceNamespace: a.b").starts_with(".sourceNamespace: "));
}

#[test]
fn accepts_conditions_that_can_be() {
    let spec = "{hosts: [a], http: [{match: [
        {uri: {prefix: ''}, withoutHeaders: {x: {regex: '*'}, y: {}}, queryParams: {q: {exact: ''}}, method: {exact: GET}, scheme: {exact: http},
         authority: {regex: '.*'}, headers: {uri: {exact: a}, ':path': {prefix: /}}, port: 80, sourceLabels: {app: a}, sourceNamespace: shop,
         ignoreUriCase: true, name: first}], route: [{destination: {host: a}}]}]}";
    assert_eq!(warnings(Kind::VirtualService, spec), Vec::<String>::new());
}

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

/// As in Protocol Buffers, which can't tell them apart.
#[test]
fn takes_empty_texts_and_0_for_absent() {
    let spec = "{hosts: [a], http: [{match: [{port: 0, withoutHeaders: {x: {regex: '*'}}}], rewrite: {uri: '', authority: b.com}, route: [{destination: {host: a, subset: ''}}]}]}";
    let (AnyObject::VirtualService(object), _) = read(Kind::VirtualService, spec).unwrap() else {
        panic!()
    };
    let route = &object.spec.http[0];
    assert_eq!(route.matches[0].port, None);
    assert_eq!(route.matches[0].without_headers["x"], StringMatch::Present);
    assert_eq!(route.rewrite.as_ref().unwrap().uri, None);
    assert_eq!(route.route[0].destination.subset, None);
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

#[test]
fn names_what_is_not_built() {
    for field in [
        "fault: {abort: {httpStatus: 500}}",
        "mirror: {host: a}",
        "mirrors: [{}]",
        "mirrorPercentage: {value: 1}",
        "corsPolicy: {}",
        "delegate: {name: a}",
    ] {
        let said = with(field);
        let name = field.split(':').next().unwrap();
        assert_eq!(
            said,
            format!(
                "spec.http[0].{name}: this field of Istio's API is not built yet; remove it to have the rest applied"
            )
        );
    }
    assert!(
        fault("{hosts: [a], tls: [{match: [{sniHosts: [a]}]}]}")
            .starts_with("spec.tls: this field of Istio's API is not built yet")
    );
}

#[test]
fn warns_of_rules_that_nothing_reaches() {
    let said = warnings(
        Kind::VirtualService,
        "{hosts: [a], http: [
            {match: [{uri: {prefix: /a}}], route: [{destination: {host: a}}]},
            {match: [{uri: {prefix: /a}}], route: [{destination: {host: a}}]},
            {match: [{uri: {prefix: /}}], route: [{destination: {host: a}}]},
            {match: [{uri: {prefix: /b}}], route: [{destination: {host: a}}]}],
          tcp: [{route: [{destination: {host: a}}]}, {route: [{destination: {host: b}}]}]}",
    );
    assert_eq!(
        said,
        [
            "spec.http[1].match[0]: is never used, because spec.http[0] has the same conditions",
            "spec.http[3]: is never used, because spec.http[2] matches every request",
            "spec.tcp[1]: is never used, because spec.tcp[0] matches every connection",
        ]
    );
}

#[test]
fn warns_of_what_has_no_effect() {
    let spec = "{hosts: [a], http: [{match: [{statPrefix: a, uri: {exact: '/a?b'}}], route: [{destination: {host: a}}]}]}";
    let said = warnings(Kind::VirtualService, spec);
    assert_eq!(said.len(), 2, "{said:?}");
}

#[test]
fn a_condition_on_the_caller_does_not_match_every_request() {
    let spec = "{hosts: [a], http: [{match: [{sourceLabels: {app: b}}], route: [{destination: {host: a}}]}, {route: [{destination: {host: b}}]}]}";
    assert_eq!(warnings(Kind::VirtualService, spec), Vec::<String>::new());
}

#[test]
fn refuses_tcp_routes_that_cannot_be() {
    assert!(
        fault("{hosts: [a], tcp: [{match: [{port: 80}]}]}")
            .starts_with("spec.tcp[0].route: must say where connections go")
    );
    let said = fault(
        "{hosts: [a], tcp: [{match: [{destinationSubnets: ['10.0.0.0/33']}], route: [{destination: {host: a}}]}]}",
    );
    assert!(
        said.contains("is neither an address nor a network"),
        "{said}"
    );
}

#[test]
fn refuses_exports_that_cannot_be() {
    let export = |list: &str| {
        crate::faults(
            Kind::VirtualService,
            &format!(
                "{{hosts: [a], exportTo: [{list}], http: [{{route: [{{destination: {{host: a}}}}]}}]}}"
            ),
        )
    };
    assert_eq!(export("., other"), Vec::<String>::new());
    assert_eq!(
        export("'*', other"),
        ["spec.exportTo[0]: `*` is all namespaces: it must be alone"]
    );
    assert_eq!(
        export("., shop"),
        ["spec.exportTo[1]: shop is in the list already"]
    );
    assert_eq!(
        export("'~'"),
        ["spec.exportTo[0]: `~` (nobody) is only for a ServiceEntry"]
    );
}
