//! Rules of all kinds, some of which nobody takes.

use proptest::{
    collection::vec,
    option::{of, weighted},
    prelude::*,
    sample::select,
};
use serde_json::{Map, Value, json};

/// Stands for a text that is too long for anybody.
const LONG: &str = "LONG";

/// Mostly what is usual, and sometimes what somebody is likely to refuse.
fn text(usual: &'static [&'static str], odd: &'static [&'static str]) -> BoxedStrategy<Value> {
    prop_oneof![8 => select(usual), 1 => select(odd)]
        .prop_map(|text| match text {
            LONG => json!("a".repeat(8193)),
            text => json!(text),
        })
        .boxed()
}

/// An object with these fields, each of which may be absent.
fn object(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| of(value).prop_map(move |value| (name, value)))
        .collect();
    fields
        .prop_map(|fields| {
            let set = fields
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Value::Object(set.collect())
        })
        .boxed()
}

/// The same with fields that are always there.
fn with(
    object: BoxedStrategy<Value>,
    name: &'static str,
    value: impl Strategy<Value = Value> + 'static,
) -> BoxedStrategy<Value> {
    (object, value)
        .prop_map(move |(mut object, value)| {
            object[name] = value;
            object
        })
        .boxed()
}

fn list(of: BoxedStrategy<Value>, sizes: std::ops::Range<usize>) -> BoxedStrategy<Value> {
    vec(of, sizes).prop_map(Value::Array).boxed()
}

fn map(keys: BoxedStrategy<Value>, values: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    vec((keys, values), 0..3)
        .prop_map(|pairs| {
            let pairs = pairs.into_iter().map(|(key, value)| {
                let key = key.as_str().unwrap_or_default().to_owned();
                (key, value)
            });
            Value::Object(pairs.collect::<Map<_, _>>())
        })
        .boxed()
}

fn number() -> BoxedStrategy<Value> {
    select(vec![0_i64, 1, 80, 9080, 65_535, i64::from(i32::MAX)])
        .prop_map(|number| json!(number))
        .boxed()
}

fn port() -> BoxedStrategy<Value> {
    select(vec![80, 443, 9080, 3307, 65_535])
        .prop_map(|number| json!(number))
        .boxed()
}

fn flag() -> BoxedStrategy<Value> {
    any::<bool>().prop_map(|flag| json!(flag)).boxed()
}

fn time() -> BoxedStrategy<Value> {
    text(
        &["1s", "100ms", "1h30m", "87600h"],
        &["87601h", "2000000h", "0s", "1us", "1500us"],
    )
}

fn host() -> BoxedStrategy<Value> {
    text(
        &[
            "reviews",
            "reviews.shop.svc.cluster.local",
            "*.example.com",
            "www.example.com",
            "mystery",
        ],
        &[
            "*-eu.example.com",
            "*",
            "10.0.0.1",
            "::1",
            "a_b",
            "a..b",
            "A.",
            "localhost",
            LONG,
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ],
    )
}

fn header() -> BoxedStrategy<Value> {
    text(
        &["x-a", "X-B", "cookie", "x-forwarded-for"],
        &[
            "Connection",
            "te",
            "Upgrade",
            "keep-alive",
            "trailer",
            "content-length",
            "transfer-encoding",
            "proxy-connection",
            "http2-settings",
            "host",
            ":authority",
            ":path",
            ":scheme",
            "a b",
            "",
            "expect",
            LONG,
        ],
    )
}

fn value() -> BoxedStrategy<Value> {
    text(
        &["a", "1", "a b", "100%%", "b.com"],
        &[
            " a", "a ", "\ta", "a\u{7f}", "a\n", "%REQ(x)%", "%", "é", "", LONG,
        ],
    )
}

fn path() -> BoxedStrategy<Value> {
    text(
        &["/", "/a", "/a/b"],
        &["", "a b", "/?x", "/é", "\u{1}", LONG],
    )
}

fn regex() -> BoxedStrategy<Value> {
    text(
        &["/a.*", "[a-z]+", "(?i)x", r"(/a)/(\d+)"],
        &[
            "*",
            "(",
            "",
            "a{1000}",
            r"\pL{100}",
            "[[:alpha:]]{999}",
            r"\C",
            LONG,
        ],
    )
}

fn string_match(texts: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop_oneof![
        3 => texts.clone().prop_map(|text| json!({ "exact": text })),
        3 => texts.prop_map(|text| json!({ "prefix": text })),
        2 => regex().prop_map(|text| json!({ "regex": text })),
        1 => Just(json!({})),
    ]
    .boxed()
}

fn condition() -> BoxedStrategy<Value> {
    object(vec![
        ("uri", string_match(path())),
        ("method", string_match(text(&["GET"], &[" "]))),
        ("authority", string_match(value())),
        ("headers", map(header(), string_match(value()))),
        ("withoutHeaders", map(header(), string_match(value()))),
        ("queryParams", map(value(), string_match(value()))),
        ("ignoreUriCase", flag()),
        ("port", port()),
    ])
}

fn changes() -> BoxedStrategy<Value> {
    let side = || {
        object(vec![
            ("set", map(header(), value())),
            ("add", map(header(), value())),
            ("remove", list(header(), 0..3)),
        ])
    };
    object(vec![("request", side()), ("response", side())])
}

fn retries() -> BoxedStrategy<Value> {
    let codes = (100..700_usize, 0..300_usize).prop_map(|(first, count)| {
        let codes: Vec<String> = (first..first + count)
            .map(|code| code.to_string())
            .collect();
        json!(codes.join(","))
    });
    let conditions = text(
        &[
            "5xx",
            "gateway-error,503",
            "reset,418",
            "refused-stream,unavailable",
        ],
        &["599,", "retriable-headers", " 5xx", "099", ""],
    );
    let fields = object(vec![
        ("perTryTimeout", time()),
        ("backoff", time()),
        ("retryOn", prop_oneof![4 => conditions, 1 => codes].boxed()),
    ]);
    with(
        fields,
        "attempts",
        (1..5).prop_map(|attempts| json!(attempts)),
    )
}

fn destination() -> BoxedStrategy<Value> {
    let subset = weighted(0.5, text(&["v1", "v2"], &["", "a b"]));
    let port = weighted(0.5, port());
    (host(), subset, port, 0..100_u32, weighted(0.3, changes()))
        .prop_map(|(host, subset, port, weight, headers)| {
            json!({
                "destination": {"host": host, "subset": subset, "port": port.map(|port| json!({"number": port}))},
                "weight": weight, "headers": headers,
            })
        })
        .boxed()
}

fn http_route() -> BoxedStrategy<Value> {
    let redirect = object(vec![
        ("uri", path()),
        ("authority", value()),
        ("port", port()),
        ("scheme", text(&["http", "https"], &["ftp"])),
        (
            "redirectCode",
            select(vec![301, 302, 303, 307, 308])
                .prop_map(|code| json!(code))
                .boxed(),
        ),
    ]);
    let regex_rewrite = (regex(), text(&["/b", r"\1"], &[r"\2", r"\x", "a b", LONG]))
        .prop_map(|(pattern, text)| json!({ "match": pattern, "rewrite": text }));
    let rewrite = prop_oneof![
        object(vec![("uri", path()), ("authority", value())]),
        regex_rewrite.prop_map(|rewrite| json!({ "uriRegexRewrite": rewrite })),
    ]
    .boxed();
    let answer = (prop_oneof![8 => 200..600, 1 => 0..1000], value())
        .prop_map(|(status, body)| json!({"status": status, "body": {"string": body}}));
    let forward = object(vec![
        ("rewrite", rewrite),
        ("timeout", time()),
        ("retries", retries()),
        ("headers", changes()),
    ]);
    let forward = with(forward, "route", list(destination(), 1..4));
    let action = prop_oneof![
        6 => forward,
        1 => redirect.prop_map(|redirect| json!({ "redirect": redirect })),
        1 => answer.prop_map(|answer| json!({ "directResponse": answer })),
    ]
    .boxed();
    with(action, "match", list(condition(), 0..3))
}

fn virtual_service() -> BoxedStrategy<Value> {
    let tcp = (list(destination_of_tcp(), 1..3), weighted(0.5, port()))
        .prop_map(|(route, port)| json!({"route": route, "match": port.map(|port| json!([{"port": port, "destinationSubnets": ["10.0.0.0/8"]}]))}))
        .boxed();
    let routes = prop_oneof![
        4 => list(http_route(), 1..3).prop_map(|http| json!({ "http": http })),
        1 => list(tcp, 1..3).prop_map(|tcp| json!({ "tcp": tcp })),
    ]
    .boxed();
    let gateways = select(vec![json!([]), json!(["edge"]), json!(["edge", "mesh"])]);
    with(
        with(routes, "hosts", list(host(), 1..3)),
        "gateways",
        gateways,
    )
}

fn destination_of_tcp() -> BoxedStrategy<Value> {
    (host(), port(), 1..100_u32)
        .prop_map(|(host, port, weight)| json!({"destination": {"host": host, "port": {"number": port}}, "weight": weight}))
        .boxed()
}

fn policy() -> BoxedStrategy<Value> {
    let balancer = select(vec![
        "ROUND_ROBIN",
        "LEAST_REQUEST",
        "RANDOM",
        "PASSTHROUGH",
    ])
    .prop_map(|simple| json!({ "simple": simple }))
    .boxed();
    let tcp = object(vec![
        ("maxConnections", number()),
        ("connectTimeout", time()),
        ("idleTimeout", time()),
    ]);
    let http = object(vec![
        ("http1MaxPendingRequests", number()),
        ("http2MaxRequests", number()),
        ("maxRequestsPerConnection", number()),
        ("maxRetries", number()),
        ("idleTimeout", time()),
        ("useClientProtocol", flag()),
        (
            "h2UpgradePolicy",
            text(&["DEFAULT", "UPGRADE", "DO_NOT_UPGRADE"], &["X"]),
        ),
    ]);
    let pool = object(vec![("tcp", tcp), ("http", http)]);
    let tls = with(
        object(vec![
            ("sni", text(&["a", "a.example.com"], &["a b", LONG])),
            ("caCertificates", text(&["/a", "system"], &["a"])),
            ("clientCertificate", text(&["/a"], &["a", "", LONG])),
            ("privateKey", text(&["/b"], &["b", "", LONG])),
            (
                "subjectAltNames",
                list(text(&["a", "*.b", "spiffe://a/b"], &["", "a b"]), 0..3),
            ),
            ("insecureSkipVerify", flag()),
        ]),
        "mode",
        text(&["SIMPLE", "MUTUAL", "ISTIO_MUTUAL", "DISABLE"], &["X"]),
    );
    with(
        object(vec![("connectionPool", pool), ("tls", tls)]),
        "loadBalancer",
        balancer,
    )
}

fn destination_rule() -> BoxedStrategy<Value> {
    let subset = with(
        object(vec![("trafficPolicy", policy())]),
        "name",
        text(&["v1", "v2", "v3"], &["", "a b"]),
    );
    let fields = object(vec![
        ("trafficPolicy", policy()),
        ("subsets", list(subset, 0..3)),
    ]);
    with(fields, "host", host())
}

fn service_entry() -> BoxedStrategy<Value> {
    let ports = vec(
        text(
            &["HTTP", "HTTP2", "GRPC", "TLS", "HTTPS", "TCP", ""],
            &["UDP", "X"],
        ),
        1..4,
    )
    .prop_map(|protocols| {
        let ports = protocols.into_iter().enumerate();
        let ports = ports.map(|(index, protocol)| {
            json!({"number": 8000 + index, "name": format!("p{index}"), "protocol": protocol})
        });
        Value::Array(ports.collect())
    });
    let address = text(
        &["10.1.0.1", "10.1.0.2", "fd00::1", "b.example.com"],
        &[
            "127.0.0.1",
            "localhost",
            "1.2",
            "b.example.com.",
            "",
            "a_b",
            LONG,
        ],
    );
    let endpoint = with(
        object(vec![
            ("weight", number()),
            ("locality", text(&["r/z", "r/z/s"], &["", "////", LONG])),
        ]),
        "address",
        address.clone(),
    );
    let fields = object(vec![
        ("endpoints", list(endpoint, 0..4)),
        ("addresses", list(address, 0..2)),
    ]);
    let fields = with(fields, "hosts", list(host(), 1..3));
    let resolution = text(&["DNS", "STATIC"], &["NONE"]);
    with(with(fields, "ports", ports), "resolution", resolution)
}

fn gateway() -> BoxedStrategy<Value> {
    let servers = vec(
        (
            port(),
            text(&["HTTP", "HTTP2", "GRPC", "TCP"], &["HTTPS", "X"]),
            list(host(), 1..3),
            any::<bool>(),
        ),
        1..4,
    )
    .prop_map(|servers| {
        let servers = servers.into_iter().enumerate();
        let servers = servers.map(|(index, (port, protocol, hosts, redirect))| {
            json!({
                "port": {"number": port, "name": format!("p{index}"), "protocol": protocol},
                "hosts": hosts, "tls": redirect.then(|| json!({"httpsRedirect": true})),
            })
        });
        Value::Array(servers.collect())
    });
    with(
        Just(json!({"selector": {"istio": "gateway"}})).boxed(),
        "servers",
        servers,
    )
}

fn telemetry() -> BoxedStrategy<Value> {
    let name = || text(&["x-a", "B"], &["a b", "", "a=b", LONG]);
    let literal = with(
        Just(json!({})).boxed(),
        "value",
        text(&["a", "é"], &["", LONG]),
    );
    let source = || {
        with(
            object(vec![("defaultValue", text(&["c"], &["", LONG]))]),
            "name",
            name(),
        )
    };
    let tag = prop_oneof![
        literal.prop_map(|of| json!({ "literal": of })),
        source().prop_map(|of| json!({ "environment": of })),
        source().prop_map(|of| json!({ "header": of })),
    ];
    let percentage = select(vec![0.0, 0.004, 1.0, 12.34, 100.0, 100.01]);
    let tracing = object(vec![
        (
            "customTags",
            map(
                text(&["a", "b.c", "istio.mesh_id"], &["", LONG]),
                tag.boxed(),
            ),
        ),
        (
            "randomSamplingPercentage",
            percentage.prop_map(|percent| json!(percent)).boxed(),
        ),
        ("useRequestIdForTraceSampling", flag()),
        ("enableIstioTags", flag()),
        (
            "match",
            object(vec![("mode", text(&["CLIENT", "SERVER"], &["BOTH"]))]),
        ),
    ]);
    object(vec![("tracing", list(tracing, 1..3))])
}

fn peer_authentication() -> BoxedStrategy<Value> {
    let mtls = || {
        let modes = text(
            &["STRICT", "PERMISSIVE", "DISABLE", "UNSET"],
            &["strict", ""],
        );
        object(vec![("mode", modes)])
    };
    let ports = map(text(&["80", "8080"], &["0", "http"]), mtls());
    object(vec![
        ("mtls", mtls()),
        ("portLevelMtls", ports),
        (
            "selector",
            Just(json!({"matchLabels": {"app": "web"}})).boxed(),
        ),
    ])
}

pub(super) fn rule() -> BoxedStrategy<(pillion_api::Kind, Value)> {
    use pillion_api::Kind;
    prop_oneof![
        4 => virtual_service().prop_map(|spec| (Kind::VirtualService, spec)),
        2 => destination_rule().prop_map(|spec| (Kind::DestinationRule, spec)),
        2 => service_entry().prop_map(|spec| (Kind::ServiceEntry, spec)),
        1 => gateway().prop_map(|spec| (Kind::Gateway, spec)),
        1 => telemetry().prop_map(|spec| (Kind::Telemetry, spec)),
        1 => peer_authentication().prop_map(|spec| (Kind::PeerAuthentication, spec)),
    ]
    .boxed()
}
