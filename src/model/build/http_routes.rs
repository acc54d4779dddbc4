//! The routes that a VirtualService has at a place.

use super::{budget, view::View};
use crate::model::{
    routes::{
        Action, Forward, HeaderOperations, Route, RouteMatch, Routes, RuleRef, WeightedCluster,
    },
    rules::{HttpAction, HttpRule, Place, VirtualService},
};

/// The routes of a VirtualService, without those whose conditions on the proxy fail. The
/// first that every request matches is the last. Maybe none.
pub(super) fn of_rules(view: &View, rules: &VirtualService, place: Place<'_>) -> Routes {
    let mut routes = Routes::default();
    for (index, rule) in rules.http.iter().enumerate() {
        let maker = Maker {
            view,
            rules,
            rule,
            index,
            place,
        };
        if rule.blocks.is_empty() {
            routes.routes.push(maker.route(None));
            return routes;
        }
        for (block, own) in rule.blocks.iter().enumerate() {
            if own.statics.hold_for_http(place) {
                routes.routes.push(maker.route(Some(block)));
                if own.matches.is_catch_all() {
                    return routes;
                }
            }
        }
    }
    routes
}

/// The routes of a VirtualService at a place where there are too many: one that refuses requests, or
/// none where it would have none.
pub(super) fn left_out(rules: &VirtualService, place: Place<'_>) -> Routes {
    if has_routes(rules, place) {
        Routes {
            routes: vec![budget::refusal(&rules.meta.key)],
        }
    } else {
        Routes::default()
    }
}

/// Whether a VirtualService has routes at a place.
pub(super) fn has_routes(rules: &VirtualService, place: Place<'_>) -> bool {
    rules.http.iter().any(|rule| {
        let mut blocks = rule.blocks.iter();
        rule.blocks.is_empty() || blocks.any(|block| block.statics.hold_for_http(place))
    })
}

struct Maker<'a> {
    view: &'a View,
    rules: &'a VirtualService,
    rule: &'a HttpRule,
    index: usize,
    place: Place<'a>,
}

impl Maker<'_> {
    fn route(&self, block: Option<usize>) -> Route {
        let own = block.and_then(|block| self.rule.blocks.get(block));
        let mut route = Route {
            name: match own {
                Some(own) if !own.name.is_empty() => {
                    format!("{}.{}", self.rule.name, own.name).into()
                }
                _ => self.rule.name.as_str().into(),
            },
            rule: Some(RuleRef {
                object: self.rules.meta.key.clone(),
                rule: self.index,
                block,
            }),
            matches: own.map_or_else(RouteMatch::default, |own| own.matches.clone()),
            action: Action::Forward(Forward::default()),
            request_headers: self.rule.headers.request.clone(),
            response_headers: self.rule.headers.response.clone(),
        };
        self.act(&mut route);
        route
    }

    fn act(&self, route: &mut Route) {
        let (targets, mut forward) = match &self.rule.action {
            HttpAction::Redirect(redirect) => {
                route.action = Action::Redirect(redirect.clone());
                return;
            }
            HttpAction::Respond(response) => {
                route.action = Action::Respond(response.clone());
                return;
            }
            HttpAction::Forward {
                targets,
                timeout,
                retries,
                authority,
                path_rewrite,
            } => (
                targets,
                Forward {
                    clusters: Vec::new(),
                    timeout: *timeout,
                    retries: retries.clone(),
                    host_rewrite: authority.clone(),
                    path_rewrite: path_rewrite.clone(),
                },
            ),
        };
        // A sidecar's listener has the port that its application called.
        let only_port = !self.place.is_mesh();
        let single = targets.len() == 1;
        for (target, headers) in targets {
            let mut to = WeightedCluster {
                cluster: self.view.cluster_of(target, self.place.port, only_port),
                weight: target.weight,
                request_headers: headers.request.clone(),
                response_headers: headers.response.clone(),
                host_rewrite: headers.authority.clone(),
            };
            if single {
                join(&mut route.request_headers, &mut to.request_headers);
                join(&mut route.response_headers, &mut to.response_headers);
                forward.host_rewrite = forward.host_rewrite.or(to.host_rewrite.take());
                to.weight = to.weight.max(1);
            }
            // The route's wins over the destination's.
            to.host_rewrite = to.host_rewrite.filter(|_| forward.host_rewrite.is_none());
            forward.clusters.push(to);
        }
        route.action = Action::Forward(forward);
    }
}

fn join(route: &mut HeaderOperations, destination: &mut HeaderOperations) {
    *route = std::mem::take(route).then(std::mem::take(destination));
}

/// Routes of several VirtualServices at a gateway: those that every request matches come
/// last.
pub(super) fn catch_all_last(routes: Vec<Route>) -> Vec<Route> {
    let (all, mut some): (Vec<_>, Vec<_>) = routes
        .into_iter()
        .partition(|route| route.matches.is_catch_all());
    some.extend(all);
    some
}
