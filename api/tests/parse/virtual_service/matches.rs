//! Conditions of routes.

use super::*;

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
fn a_condition_on_the_caller_does_not_match_every_request() {
    let spec = "{hosts: [a], http: [{match: [{sourceLabels: {app: b}}], route: [{destination: {host: a}}]}, {route: [{destination: {host: b}}]}]}";
    assert_eq!(warnings(Kind::VirtualService, spec), Vec::<String>::new());
}
