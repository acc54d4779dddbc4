//! Route tables.

use std::{sync::Arc, time::Duration};

use http::Method;
use pillion_envoy_api::{
    any,
    envoy::{
        config::{
            core::v3::{
                DataSource, HeaderValue, HeaderValueOption, data_source::Specifier,
                header_value_option::HeaderAppendAction,
            },
            route::v3::{
                DirectResponseAction, HeaderMatcher, QueryParameterMatcher, RedirectAction,
                RetryPolicy as RetryMessage, Route as Message, RouteAction, RouteConfiguration,
                RouteMatch as MatchMessage, VirtualHost as HostMessage,
                WeightedCluster as WeightedMessage,
                header_matcher::HeaderMatchSpecifier,
                query_parameter_matcher::QueryParameterMatchSpecifier,
                redirect_action::{
                    PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier,
                },
                retry_policy::{RetryBackOff, RetryHostPredicate, retry_host_predicate},
                route::Action as ActionMessage,
                route_action::{ClusterSpecifier, HostRewriteSpecifier},
                route_match::PathSpecifier,
                virtual_host::TlsRequirementType,
                weighted_cluster::ClusterWeight,
            },
        },
        extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate,
        r#type::matcher::v3::{
            RegexMatchAndSubstitute, RegexMatcher, StringMatcher, string_matcher::MatchPattern,
        },
    },
    type_url,
};
use prost::Message as _;

use crate::config::test_util::{action, all, host, route, seconds, table};
use crate::{
    config::compile::{RouteTable, route_table},
    message::{Fields, RequestHead, Scheme},
    tables::{
        Action, ClusterChoice, Forward, GrpcTimeout, Lookup, PathRewrite, Patterns, RedirectPath,
        RetryCondition, Route, VirtualHost,
    },
};

fn compiled(message: &RouteConfiguration) -> RouteTable {
    let table = route_table(&Patterns::default(), "9080", &message.encode_to_vec(), None).unwrap();
    assert!(table.faults.is_empty(), "{}", table.faults);
    table
}

/// The only host of a table.
fn only_host(host: HostMessage) -> Arc<VirtualHost> {
    let table = compiled(&table(vec![host]));
    match table.hosts.find(b"any") {
        Lookup::Found(host) => Arc::clone(host),
        _ => panic!("there is none"),
    }
}

/// The only route of the only host.
fn only_route(message: Message) -> Arc<Route> {
    Arc::clone(&only_host(host(&["*"], vec![message])).routes[0])
}

fn forward(message: RouteAction) -> Forward {
    match &only_route(route(message)).action {
        Action::Forward(forward) => forward.clone(),
        other => panic!("{other:?}"),
    }
}

fn head(path: &str, fields: &[(&str, &str)]) -> RequestHead {
    let mut list = Fields::default();
    for (name, value) in fields {
        list.push(name.as_bytes(), value.as_bytes());
    }
    RequestHead::new(Method::GET, Some(b"any"), path.as_bytes(), list)
}

fn is_for(matches: MatchMessage, path: &str, fields: &[(&str, &str)]) -> bool {
    let route = Message {
        r#match: Some(matches),
        ..route(action("a"))
    };
    let host = only_host(host(&["*"], vec![route]));
    host.route(&head(path, fields)).is_some()
}

fn by_path(specifier: PathSpecifier) -> MatchMessage {
    MatchMessage {
        path_specifier: Some(specifier),
        ..MatchMessage::default()
    }
}

fn by_header(name: &str, specifier: Option<HeaderMatchSpecifier>) -> MatchMessage {
    MatchMessage {
        headers: vec![HeaderMatcher {
            name: name.to_owned(),
            header_match_specifier: specifier,
            ..HeaderMatcher::default()
        }],
        ..all().unwrap()
    }
}

fn regex(text: &str) -> RegexMatcher {
    RegexMatcher {
        regex: text.to_owned(),
        ..RegexMatcher::default()
    }
}

fn text(pattern: MatchPattern) -> StringMatcher {
    StringMatcher {
        match_pattern: Some(pattern),
        ..StringMatcher::default()
    }
}

fn set(name: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_owned(),
            value: value.to_owned(),
            ..HeaderValue::default()
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

#[test]
fn hosts_are_found_by_their_domains() {
    let to = |cluster: &str| vec![route(action(cluster))];
    let table = compiled(&table(vec![
        host(&["reviews", "Reviews.default"], to("reviews")),
        host(&["*.example.com"], to("wildcard")),
        host(&["*"], to("any")),
    ]));
    let cluster = |authority: &[u8]| {
        let Lookup::Found(host) = table.hosts.find(authority) else {
            panic!("there is no host");
        };
        match &host.routes[0].action {
            Action::Forward(forward) => match &forward.clusters {
                ClusterChoice::One(name) => name.to_string(),
                ClusterChoice::Weighted(_) => String::new(),
            },
            _ => String::new(),
        }
    };
    assert_eq!(cluster(b"reviews.default:9080"), "reviews");
    assert_eq!(cluster(b"a.example.com"), "wildcard");
    assert_eq!(cluster(b"other"), "any");
    let cites: Vec<_> = table.cites.clusters.iter().map(|name| &**name).collect();
    assert_eq!(cites, ["any", "reviews", "wildcard"]);
}

#[test]
fn matches_paths() {
    let exact = PathSpecifier::Path("/a".to_owned());
    assert!(is_for(by_path(exact.clone()), "/a?x", &[]));
    assert!(!is_for(by_path(exact), "/a/b", &[]));
    let segments = PathSpecifier::PathSeparatedPrefix("/a".to_owned());
    assert!(!is_for(by_path(segments.clone()), "/ab", &[]));
    assert!(is_for(by_path(segments), "/a/b", &[]));
    assert!(is_for(
        by_path(PathSpecifier::SafeRegex(regex("/v[12]"))),
        "/v1",
        &[]
    ));
    let mut prefix = by_path(PathSpecifier::Prefix("/A".to_owned()));
    assert!(!is_for(prefix.clone(), "/a", &[]));
    prefix.case_sensitive = Some(false);
    assert!(is_for(prefix, "/a", &[]));
}

#[test]
fn matches_headers() {
    use HeaderMatchSpecifier as By;
    let user = [("end-user", "jason")];
    for (specifier, expected) in [
        (None, true),
        (Some(By::PresentMatch(false)), false),
        (
            Some(By::StringMatch(text(MatchPattern::Exact(
                "jason".to_owned(),
            )))),
            true,
        ),
        (
            Some(By::StringMatch(text(MatchPattern::Prefix("x".to_owned())))),
            false,
        ),
        (
            Some(By::StringMatch(text(MatchPattern::SafeRegex(regex(
                "ja.*",
            ))))),
            true,
        ),
        (Some(By::ExactMatch("jason".to_owned())), true),
        (Some(By::SuffixMatch("son".to_owned())), true),
        (Some(By::ContainsMatch("aso".to_owned())), true),
        (Some(By::SafeRegexMatch(regex("jas"))), false),
    ] {
        let matches = by_header("end-user", specifier.clone());
        assert_eq!(is_for(matches, "/", &user), expected, "{specifier:?}");
    }
    let mut inverted = by_header("end-user", Some(By::ExactMatch("jason".to_owned())));
    inverted.headers[0].invert_match = true;
    assert!(!is_for(inverted.clone(), "/", &user) && !is_for(inverted.clone(), "/", &[]));
    inverted.headers[0].treat_missing_header_as_empty = true;
    assert!(is_for(inverted, "/", &[]));
    assert!(is_for(
        by_header(":method", Some(By::ExactMatch("GET".to_owned()))),
        "/",
        &[]
    ));
}

#[test]
fn matches_query_parameters() {
    let query = |specifier| MatchMessage {
        query_parameters: vec![QueryParameterMatcher {
            name: "v".to_owned(),
            query_parameter_match_specifier: specifier,
        }],
        ..all().unwrap()
    };
    let one = text(MatchPattern::Exact("1".to_owned()));
    let exact = QueryParameterMatchSpecifier::StringMatch(one);
    assert!(is_for(query(Some(exact.clone())), "/?v=1", &[]));
    assert!(!is_for(query(Some(exact)), "/?v=2", &[]));
    assert!(is_for(query(None), "/?v", &[]));
}

#[test]
fn weights_share_out_the_requests() {
    let cluster = |name: &str, weight| ClusterWeight {
        name: name.to_owned(),
        weight: Some(weight),
        request_headers_to_add: vec![set("x-version", name)],
        ..ClusterWeight::default()
    };
    let shared = WeightedMessage {
        clusters: vec![cluster("v1", 80), cluster("v3", 20)],
        ..WeightedMessage::default()
    };
    let forward = forward(RouteAction {
        cluster_specifier: Some(ClusterSpecifier::WeightedClusters(shared)),
        ..RouteAction::default()
    });
    let ClusterChoice::Weighted(clusters) = forward.clusters else {
        panic!("there is one cluster");
    };
    let weights: Vec<_> = clusters
        .iter()
        .map(|one| (one.name.to_string(), one.weight))
        .collect();
    assert_eq!(weights, [("v1".to_owned(), 80), ("v3".to_owned(), 20)]);
    let mut fields = Fields::default();
    clusters
        .iter()
        .next()
        .unwrap()
        .request_headers
        .apply(&mut fields);
    assert_eq!(fields.find(b"x-version"), Some(&b"v1"[..]));
}

#[test]
fn times_are_the_route_s_or_envoy_s() {
    assert_eq!(forward(action("a")).timeout, Some(Duration::from_secs(15)));
    let mut message = action("a");
    message.timeout = seconds(0);
    message.max_grpc_timeout = seconds(0);
    let found = forward(message.clone());
    assert_eq!(
        (found.timeout, found.grpc_timeout),
        (None, GrpcTimeout::Honored)
    );
    message.timeout = seconds(3);
    message.max_grpc_timeout = seconds(3);
    let found = forward(message);
    let three = Duration::from_secs(3);
    assert_eq!(
        (found.timeout, found.grpc_timeout),
        (Some(three), GrpcTimeout::Capped(three))
    );
}

fn retries() -> RetryMessage {
    RetryMessage {
        retry_on: "connect-failure,refused-stream, unavailable,retriable-status-codes".to_owned(),
        num_retries: Some(2),
        retriable_status_codes: vec![503],
        host_selection_retry_max_attempts: 5,
        retry_host_predicate: vec![RetryHostPredicate {
            name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
            config_type: Some(retry_host_predicate::ConfigType::TypedConfig(any(
                type_url::PREVIOUS_HOSTS,
                &PreviousHostsPredicate::default(),
            ))),
        }],
        ..RetryMessage::default()
    }
}

#[test]
fn retries_are_the_route_s_or_the_host_s() {
    let mut message = action("a");
    assert_eq!(forward(message.clone()).retry, None);
    message.retry_policy = Some(retries());
    let policy = forward(message.clone()).retry.unwrap();
    assert!(policy.on.contains(RetryCondition::Unavailable));
    assert_eq!((policy.retries, policy.host_attempts), (2, 5));
    assert!(policy.avoids_previous_hosts && policy.status_codes == [503]);
    assert_eq!(policy.base_interval, Duration::from_millis(25));
    message.retry_policy = Some(RetryMessage {
        num_retries: Some(0),
        ..retries()
    });
    assert_eq!(forward(message).retry, None);

    let mut around = host(&["*"], vec![route(action("a"))]);
    around.retry_policy = Some(RetryMessage {
        retry_back_off: Some(RetryBackOff {
            base_interval: seconds(1),
            max_interval: None,
        }),
        ..retries()
    });
    let Action::Forward(found) = &only_host(around).routes[0].action else {
        panic!("it does not forward");
    };
    let policy = found.retry.as_ref().unwrap();
    assert_eq!(policy.max_interval, Duration::from_secs(10));
}

#[test]
fn rewrites_hosts_and_paths() {
    let mut message = action("a");
    message.prefix_rewrite = "/new".to_owned();
    let literal = HostRewriteSpecifier::HostRewriteLiteral("b.example".to_owned());
    message.host_rewrite_specifier = Some(literal);
    let found = forward(message);
    assert_eq!(found.host_rewrite.as_deref(), Some(&b"b.example"[..]));
    let Some(rewrite @ PathRewrite::Matched(_)) = found.path_rewrite else {
        panic!("the path stays");
    };
    assert_eq!(rewrite.apply(b"/old/x?y", 4), b"/new/x?y");
    let mut message = action("a");
    message.regex_rewrite = Some(RegexMatchAndSubstitute {
        pattern: Some(regex("^/([a-z]+)")),
        substitution: r"/v2/\1".to_owned(),
    });
    let rewrite = forward(message).path_rewrite.unwrap();
    assert_eq!(rewrite.apply(b"/abc", 1), b"/v2/abc");
}

#[test]
fn fields_are_changed_at_every_level_and_the_table_has_the_last_word() {
    let mut message = route(action("a"));
    message.request_headers_to_add = vec![set("x", "route"), set("y", "route")];
    let mut around = host(&["*"], vec![message]);
    around.request_headers_to_add = vec![set("x", "host")];
    around.include_request_attempt_count = true;
    let mut all = table(vec![around]);
    all.request_headers_to_remove = vec!["z".to_owned()];
    let table = compiled(&all);
    let Lookup::Found(host) = table.hosts.find(b"any") else {
        panic!("there is no host");
    };
    assert!(host.tells_attempt);
    let mut head = head("/", &[("x", "client"), ("z", "client")]);
    host.routes[0].request_headers.apply(&mut head.fields);
    let value = |name: &[u8]| head.fields.find(name).map(<[u8]>::to_vec);
    assert_eq!(value(b"x"), Some(b"host".to_vec()));
    assert_eq!(value(b"y"), Some(b"route".to_vec()));
    assert_eq!(value(b"z"), None);
}

#[test]
fn redirects() {
    let message = |action| Message {
        action: Some(ActionMessage::Redirect(action)),
        ..route(action_of_nothing())
    };
    let found = only_route(message(RedirectAction {
        host_redirect: "b.example".to_owned(),
        port_redirect: 8443,
        response_code: RedirectResponseCode::TemporaryRedirect.into(),
        scheme_rewrite_specifier: Some(SchemeRewriteSpecifier::HttpsRedirect(true)),
        path_rewrite_specifier: Some(PathRewriteSpecifier::PathRedirect("/x".to_owned())),
        strip_query: true,
    }));
    let Action::Redirect(redirect) = &found.action else {
        panic!("it does not redirect");
    };
    assert_eq!(redirect.status, 307);
    assert_eq!(
        (redirect.scheme, redirect.port),
        (Some(Scheme::Https), Some(8443))
    );
    assert!(redirect.strips_query && matches!(redirect.path, RedirectPath::Full(_)));
    let location = redirect.location(&head("/a?b", &[]), &found.matches.path);
    assert_eq!(
        String::from_utf8(location).unwrap(),
        "https://b.example:8443/x"
    );
}

fn action_of_nothing() -> RouteAction {
    RouteAction::default()
}

#[test]
fn answers_by_itself() {
    let found = only_route(Message {
        action: Some(ActionMessage::DirectResponse(DirectResponseAction {
            status: 502,
            body: Some(DataSource {
                specifier: Some(Specifier::InlineString("no".to_owned())),
            }),
        })),
        ..route(action_of_nothing())
    });
    let Action::Respond(response) = &found.action else {
        panic!("it does not answer");
    };
    assert_eq!(
        (response.status.as_u16(), &*response.body),
        (502, &b"no"[..])
    );
}

#[test]
fn a_host_that_wants_tls_redirects_those_without() {
    let mut message = host(&["*"], vec![route(action("a"))]);
    message.require_tls = TlsRequirementType::All.into();
    let host = only_host(message);
    let action = |proto| {
        let head = head("/", &[("x-forwarded-proto", proto)]);
        host.route(&head).unwrap().action.clone()
    };
    assert!(matches!(action("http"), Action::Redirect(_)));
    assert!(matches!(action("https"), Action::Forward(_)));
}
