//! The names of spans.

use pillion_envoy_api::envoy::config::route::v3::{
    Decorator, RouteMatch, route_match::PathSpecifier,
};

use crate::model::{self, ClusterKey};

/// What spans of a route's requests are called, as in Istio: by its only destination, or else by its
/// VirtualService, and by its path.
pub(super) fn operation(route: &model::Route, matches: &RouteMatch, port: u16) -> Decorator {
    let path = match &matches.path_specifier {
        Some(PathSpecifier::Prefix(prefix)) => format!("{prefix}*"),
        Some(PathSpecifier::Path(path)) => path.clone(),
        Some(PathSpecifier::SafeRegex(pattern)) => pattern.regex.clone(),
        _ => "/*".to_owned(),
    };
    let path = shown(&path);
    let rule = route.rule.as_ref().map_or("", |rule| &rule.object.name);
    match only_destination(&route.action) {
        Some(to) => decorator(&to.host, to.port, &path),
        None => decorator(rule, port, &path),
    }
}

/// The cluster of a route that has one.
fn only_destination(action: &model::Action) -> Option<ClusterKey> {
    let model::Action::Forward(forward) = action else {
        return None;
    };
    match forward.clusters.as_slice() {
        [only] => ClusterKey::parse(&only.cluster),
        _ => None,
    }
}

/// Names the spans of requests for a host, port and path.
pub(super) fn decorator(host: &str, port: u16, path: &str) -> Decorator {
    Decorator {
        operation: format!("{host}:{port}{path}"),
        propagate: None,
    }
}

/// The longest path in the name of a span, in bytes. A pattern may have kilobytes.
const LONGEST_PATH: usize = 256;

/// The beginning of a path. Servers are told the name in a field, which has no control characters: a proxy
/// refuses a name with one, and the whole route table with it.
fn shown(path: &str) -> String {
    path[..path.floor_char_boundary(LONGEST_PATH)].replace(char::is_control, "?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_without_control_characters_and_not_for_ever() {
        assert_eq!(shown("/a\u{1}b\n\u{9f}*"), "/a?b??*");
        assert_eq!(shown("/ratings/\u{e9}"), "/ratings/\u{e9}");
        let long = format!("/{}\u{20ac}", "x".repeat(LONGEST_PATH - 2));
        assert_eq!(shown(&long), long[..LONGEST_PATH - 1]);
    }
}
