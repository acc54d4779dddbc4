use http::Method;

use super::*;

fn head(path: &str, fields: &[(&str, &str)]) -> RequestHead {
    let mut list = Fields::default();
    for (name, value) in fields {
        list.push(name.as_bytes(), value.as_bytes());
    }
    RequestHead::new(Method::GET, Some(b"reviews:9080"), path.as_bytes(), list)
}

fn is_for(route: &RouteMatch, head: &RequestHead) -> bool {
    route.matches(head, split_query(head.path()))
}

fn matches(test: HeaderMatch, fields: &[(&str, &str)]) -> bool {
    let mut route = RouteMatch::any();
    route.headers.push(test);
    is_for(&route, &head("/a", fields))
}

/// Whether a route for these paths is for that path and query.
fn is_path(path: &PathMatch, target: &str) -> bool {
    is_for(&RouteMatch::path(path.clone()), &head(target, &[]))
}

fn text(test: TextMatch) -> HeaderTest {
    HeaderTest::Text(test)
}

#[test]
fn matches_paths() {
    let prefix = PathMatch::Prefix("/api".to_owned());
    assert!(is_path(&prefix, "/api/v1?x=1") && !is_path(&prefix, "/ap"));
    assert!(is_path(&prefix, "/apis") && !is_path(&prefix, "/?/api"));
    let exact = PathMatch::Exact("/login".to_owned());
    assert!(is_path(&exact, "/login?next=/") && is_path(&exact, "/login"));
    assert!(!is_path(&exact, "/login/") && !is_path(&exact, "/log"));
}

#[test]
fn a_route_for_all_paths_is_for_connect_too() {
    let all = PathMatch::Prefix("/".to_owned());
    assert!(is_path(&all, "") && is_path(&all, "/a"));
    assert_eq!(all.matched_len(b""), 0);
    assert!(!is_path(&PathMatch::Prefix("/api".to_owned()), ""));
    assert!(!is_path(&PathMatch::Exact("/".to_owned()), ""));
}

#[test]
fn a_prefix_of_segments_ends_at_a_slash() {
    let segments = PathMatch::Segments("/api".to_owned());
    assert!(is_path(&segments, "/api") && is_path(&segments, "/api/v1?x"));
    assert!(is_path(&segments, "/api?x") && !is_path(&segments, "/apis"));
}

#[test]
fn an_expression_matches_the_whole_path_without_its_query() {
    let regex = PathMatch::Regex(Pattern::whole("/v[12]").unwrap());
    assert!(is_path(&regex, "/v1?x") && !is_path(&regex, "/v1/x"));
}

#[test]
fn the_case_of_a_path_matters_unless_told() {
    let mut route = RouteMatch::path(PathMatch::Prefix("/API".to_owned()));
    assert!(!is_for(&route, &head("/api/v1", &[])));
    route.ignores_case = true;
    assert!(is_for(&route, &head("/api/v1", &[])));
}

#[test]
fn all_conditions_have_to_match() {
    let mut route = RouteMatch::path(PathMatch::Prefix("/".to_owned()));
    let user = text(TextMatch::exact("jason"));
    route.headers.push(HeaderMatch::new("End-User", user));
    route
        .headers
        .push(HeaderMatch::new(":method", text(TextMatch::exact("GET"))));
    let matches = |fields: &[(&str, &str)]| is_for(&route, &head("/", fields));
    assert!(matches(&[("end-user", "jason")]));
    assert!(!matches(&[("end-user", "jane")]) && !matches(&[]));
}

#[test]
fn pseudo_headers_are_parts_of_the_head() {
    for (name, value) in [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "reviews:9080"),
        ("host", "reviews:9080"),
        (":path", "/a"),
    ] {
        let test = HeaderMatch::new(name, text(TextMatch::exact(value)));
        assert!(matches(test, &[]), "{name}");
    }
    // A header that is only called so.
    let uri = HeaderMatch::new("uri", HeaderTest::Present);
    assert!(!matches(uri.clone(), &[]) && matches(uri, &[("uri", "x")]));
}

#[test]
fn each_line_is_matched_by_itself() {
    let lines = [("x", "a"), ("x", "b")];
    let exact = |value| HeaderMatch::new("x", text(TextMatch::exact(value)));
    assert!(matches(exact("b"), &lines) && !matches(exact("a,b"), &lines));
    let mut inverted = exact("b");
    inverted.inverted = true;
    assert!(!matches(inverted, &lines));
    let number = HeaderMatch::new("x", HeaderTest::Range { start: 0, end: 9 });
    assert!(matches(number, &[("x", "n"), ("x", "2")]));
}

#[test]
fn cookies_that_http2_splits_are_joined_as_cookies() {
    let user = HeaderMatch::new("cookie", text(TextMatch::exact("a=1; user=jason")));
    assert!(matches(
        user,
        &[("cookie", "a=1"), ("cookie", "user=jason")]
    ));
}

#[test]
fn presence_can_be_inverted() {
    let mut present = HeaderMatch::new("x", HeaderTest::Present);
    assert!(matches(present.clone(), &[("x", "")]) && !matches(present.clone(), &[]));
    present.inverted = true;
    assert!(!matches(present.clone(), &[("x", "")]) && matches(present, &[]));
}

#[test]
fn a_missing_header_matches_no_inverted_test_unless_it_counts_as_empty() {
    let mut test = HeaderMatch::new("x", text(TextMatch::exact("a")));
    test.inverted = true;
    assert!(!matches(test.clone(), &[]));
    test.missing_is_empty = true;
    assert!(matches(test, &[]));
}

#[test]
fn numbers_have_a_range() {
    let range = HeaderTest::Range { start: -5, end: 10 };
    let mut test = HeaderMatch::new("x", range);
    for (value, expected) in [("-5", true), ("9", true), ("10", false), ("a", false)] {
        assert_eq!(matches(test.clone(), &[("x", value)]), expected, "{value}");
    }
    assert!(!matches(test.clone(), &[]));
    (test.inverted, test.missing_is_empty) = (true, true);
    assert!(matches(test, &[]));
}

#[test]
fn the_first_parameter_of_a_name_counts() {
    let matches = |name: &str, test: Option<TextMatch>, path| {
        let mut route = RouteMatch::any();
        let name = name.as_bytes().into();
        route.query.push(QueryMatch { name, test });
        is_for(&route, &head(path, &[]))
    };
    let exact = |value| Some(TextMatch::exact(value));
    assert!(matches("v", exact("1"), "/?u=0&v=1&v=2#v=3"));
    assert!(!matches("v", exact("2"), "/?v=1&v=2"));
    assert!(matches("v", exact(""), "/?v") && matches("v", None, "/?v=9"));
    assert!(!matches("v", None, "/?w=v") && !matches("v", None, "/v"));
}
