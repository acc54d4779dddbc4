//! A route.

use std::sync::Arc;

use pillion_envoy_api::envoy::config::route::v3::{
    Decorator, Route as RouteMessage, route::Action as ActionMessage,
};

use super::{
    fault::{Fault, at, refuse_if},
    filters::check_filter_configs,
    headers::EditFields,
    redirect::{direct_response, redirect},
    route_action::route_action,
    route_match::route_match,
    scope::Scope,
};
use crate::tables::{Action, HeaderEdits, HeaderLevels, RetryPolicy, Route};

/// Bytes of an operation, which is sent with each request that is traced.
const MAX_OPERATION: usize = 1024;

/// What the levels around a route say of it.
pub(super) struct Around<'a> {
    /// Of the virtual host and of the table, in that order.
    pub request_headers: &'a [Arc<HeaderEdits>],
    pub response_headers: &'a [Arc<HeaderEdits>],
    pub retry: Option<&'a RetryPolicy>,
}

pub(super) fn route(
    scope: &Scope<'_>,
    message: RouteMessage,
    around: &Around<'_>,
) -> Result<Arc<Route>, Fault> {
    let RouteMessage {
        name,
        r#match,
        action,
        // For filters that there are none of.
        metadata: _,
        decorator,
        typed_per_filter_config,
        request_headers_to_add,
        request_headers_to_remove,
        response_headers_to_add,
        response_headers_to_remove,
        // Buffers have bounds of their own.
        per_request_buffer_limit_bytes: _,
        request_body_buffer_limit: _,
        // For Envoy's own statistics.
        stat_prefix: _,
    } = message;
    check_filter_configs(&typed_per_filter_config)?;
    let Some(r#match) = r#match else {
        return Err(Fault::new("match", "is missing"));
    };
    let request = EditFields::request(request_headers_to_add, request_headers_to_remove);
    let response = EditFields::response(response_headers_to_add, response_headers_to_remove);
    Ok(Arc::new(Route {
        name: Arc::from(name),
        matches: route_match(scope, r#match).map_err(at("match"))?,
        action: self::action(scope, action, around.retry)?,
        request_headers: levels(request, around.request_headers)?,
        response_headers: levels(response, around.response_headers)?,
        operation: operation(decorator.unwrap_or_default()).map_err(at("decorator"))?,
    }))
}

/// What spans call the requests of a route.
fn operation(message: Decorator) -> Result<Option<Arc<str>>, Fault> {
    let Decorator {
        operation,
        propagate,
    } = message;
    refuse_if(propagate == Some(false), "propagate")?;
    if operation.len() > MAX_OPERATION || operation.chars().any(char::is_control) {
        let reason = format!("must be a text of at most {MAX_OPERATION} bytes");
        return Err(Fault::new("operation", reason));
    }
    Ok((!operation.is_empty()).then(|| Arc::from(operation)))
}

fn levels(own: EditFields, around: &[Arc<HeaderEdits>]) -> Result<HeaderLevels, Fault> {
    let own = own.compile()?;
    Ok(HeaderLevels::new(
        std::iter::once(own).chain(around.iter().cloned()),
    ))
}

fn action(
    scope: &Scope<'_>,
    message: Option<ActionMessage>,
    retry: Option<&RetryPolicy>,
) -> Result<Action, Fault> {
    match message {
        Some(ActionMessage::Route(action)) => {
            let forward = route_action(scope, action, retry).map_err(at("route"))?;
            Ok(Action::Forward(forward))
        }
        Some(ActionMessage::Redirect(action)) => Ok(Action::Redirect(
            redirect(scope, action).map_err(at("redirect"))?,
        )),
        Some(ActionMessage::DirectResponse(action)) => Ok(Action::Respond(
            direct_response(action).map_err(at("direct_response"))?,
        )),
        Some(ActionMessage::NonForwardingAction(_)) => {
            Err(Fault::unsupported("non_forwarding_action"))
        }
        None => Err(Fault::new("action", "is missing")),
    }
}
