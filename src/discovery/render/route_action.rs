//! What routes do.

use std::time::Duration;

use pillion_envoy_api::{
    any,
    envoy::{
        config::{
            core::v3::{
                DataSource, HeaderValue, HeaderValueOption, data_source::Specifier,
                header_value_option::HeaderAppendAction,
            },
            route::v3::{
                DirectResponseAction, RedirectAction, RetryPolicy, RouteAction, WeightedCluster,
                redirect_action::{
                    PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier,
                },
                retry_policy::{RetryBackOff, RetryHostPredicate, retry_host_predicate},
                route::Action,
                route_action::{ClusterSpecifier, HostRewriteSpecifier},
                weighted_cluster::{ClusterWeight, cluster_weight},
            },
        },
        extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate,
        r#type::matcher::v3::RegexMatchAndSubstitute,
    },
    type_url,
};

use super::{common::duration, route_match::regex};
use crate::model::{
    self, DirectResponse, Forward, HeaderOperations, PathRewrite, Redirect, RedirectPort, Retries,
};

/// How often another host is drawn where one was tried before.
const HOST_SELECTIONS: i64 = 5;

/// What a route does. `port` is that of its listeners.
pub(super) fn action(action: &model::Action, port: u16) -> Action {
    match action {
        model::Action::Forward(to) => Action::Route(forward(to)),
        model::Action::Redirect(to) => Action::Redirect(redirect(to, port)),
        model::Action::Respond(response) => Action::DirectResponse(respond(response)),
    }
}

fn forward(to: &Forward) -> RouteAction {
    let mut host = to.host_rewrite.clone();
    let specifier = match &to.clusters[..] {
        [only] => {
            host = host.or_else(|| only.host_rewrite.clone());
            ClusterSpecifier::Cluster(only.cluster.to_string())
        }
        several => ClusterSpecifier::WeightedClusters(WeightedCluster {
            clusters: several.iter().map(weighted).collect(),
            ..WeightedCluster::default()
        }),
    };
    let mut rendered = RouteAction {
        cluster_specifier: Some(specifier),
        // Without one, Envoy's would be 15 s.
        timeout: Some(duration(to.timeout.unwrap_or(Duration::ZERO))),
        max_grpc_timeout: Some(duration(to.timeout.unwrap_or(Duration::ZERO))),
        retry_policy: to.retries.as_ref().map(retries),
        host_rewrite_specifier: host
            .map(|host| HostRewriteSpecifier::HostRewriteLiteral(host.to_string())),
        ..RouteAction::default()
    };
    match &to.path_rewrite {
        Some(PathRewrite::Prefix(prefix)) => rendered.prefix_rewrite = prefix.to_string(),
        Some(PathRewrite::Regex {
            pattern,
            substitution,
        }) => {
            rendered.regex_rewrite = Some(RegexMatchAndSubstitute {
                pattern: Some(regex(pattern)),
                substitution: substitution.to_string(),
            });
        }
        None => {}
    }
    rendered
}

fn weighted(to: &model::WeightedCluster) -> ClusterWeight {
    let request = operations(&to.request_headers);
    let response = operations(&to.response_headers);
    ClusterWeight {
        name: to.cluster.to_string(),
        weight: Some(to.weight),
        request_headers_to_add: request.add,
        request_headers_to_remove: request.remove,
        response_headers_to_add: response.add,
        response_headers_to_remove: response.remove,
        host_rewrite_specifier: to
            .host_rewrite
            .as_ref()
            .map(|host| cluster_weight::HostRewriteSpecifier::HostRewriteLiteral(host.to_string())),
        ..ClusterWeight::default()
    }
}

fn retries(retries: &Retries) -> RetryPolicy {
    let predicate = || RetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
        config_type: Some(retry_host_predicate::ConfigType::TypedConfig(any(
            type_url::PREVIOUS_HOSTS,
            &PreviousHostsPredicate::default(),
        ))),
    };
    RetryPolicy {
        retry_on: retries.conditions.join(","),
        num_retries: Some(retries.attempts),
        per_try_timeout: retries.per_try_timeout.map(duration),
        retriable_status_codes: retries
            .status_codes
            .iter()
            .copied()
            .map(u32::from)
            .collect(),
        retry_host_predicate: if retries.avoid_previous_hosts {
            vec![predicate()]
        } else {
            Vec::new()
        },
        host_selection_retry_max_attempts: if retries.avoid_previous_hosts {
            HOST_SELECTIONS
        } else {
            0
        },
        retry_back_off: retries.back_off.map(|base| RetryBackOff {
            base_interval: Some(duration(base)),
            max_interval: None,
        }),
        ..RetryPolicy::default()
    }
}

fn redirect(to: &Redirect, port: u16) -> RedirectAction {
    let port = match to.port {
        None => 0,
        Some(RedirectPort::Number(port)) => port,
        Some(RedirectPort::Request) => port,
    };
    // A port that goes without saying is left out.
    let is_implied = match to.scheme.as_deref() {
        Some("https") => port == 443,
        Some(_) => port == 80,
        None => to.port == Some(RedirectPort::Request) && matches!(port, 80 | 443),
    };
    RedirectAction {
        host_redirect: to.authority.as_deref().unwrap_or_default().to_owned(),
        port_redirect: if is_implied { 0 } else { port.into() },
        response_code: match to.status {
            302 => RedirectResponseCode::Found,
            303 => RedirectResponseCode::SeeOther,
            307 => RedirectResponseCode::TemporaryRedirect,
            308 => RedirectResponseCode::PermanentRedirect,
            _ => RedirectResponseCode::MovedPermanently,
        }
        .into(),
        scheme_rewrite_specifier: to
            .scheme
            .as_ref()
            .map(|scheme| SchemeRewriteSpecifier::SchemeRedirect(scheme.to_string())),
        path_rewrite_specifier: match (&to.path, &to.prefix_rewrite) {
            (Some(path), _) => Some(PathRewriteSpecifier::PathRedirect(path.to_string())),
            (None, Some(prefix)) => Some(PathRewriteSpecifier::PrefixRewrite(prefix.to_string())),
            (None, None) => None,
        },
        ..RedirectAction::default()
    }
}

fn respond(response: &DirectResponse) -> DirectResponseAction {
    let body = match std::str::from_utf8(&response.body) {
        Ok("") => None,
        Ok(text) => Some(Specifier::InlineString(text.to_owned())),
        Err(_) => Some(Specifier::InlineBytes(response.body.to_vec().into())),
    };
    DirectResponseAction {
        status: response.status.into(),
        body: body.map(|specifier| DataSource {
            specifier: Some(specifier),
        }),
    }
}

/// What is done to headers. Envoy removes first, and then adds.
pub(super) struct Operations {
    /// The headers that are written.
    pub add: Vec<HeaderValueOption>,
    /// The names of those that are removed.
    pub remove: Vec<String>,
}

/// Returns what is done to headers.
pub(super) fn operations(operations: &HeaderOperations) -> Operations {
    let write = operations.write.iter().map(|header| HeaderValueOption {
        header: Some(HeaderValue {
            key: header.name.to_string(),
            value: header.value.to_string(),
            ..HeaderValue::default()
        }),
        append_action: if header.append {
            HeaderAppendAction::AppendIfExistsOrAdd.into()
        } else {
            HeaderAppendAction::OverwriteIfExistsOrAdd.into()
        },
        ..HeaderValueOption::default()
    });
    Operations {
        add: write.collect(),
        remove: operations.remove.iter().map(ToString::to_string).collect(),
    }
}
