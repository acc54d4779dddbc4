//! A virtual host.

use std::sync::Arc;

use http::StatusCode;
use pillion_envoy_api::envoy::config::route::v3::{
    VirtualHost as VirtualHostMessage, virtual_host::TlsRequirementType,
};

use super::{
    fault::{Fault, at, each, refuse_if},
    filters::check_filter_configs,
    headers::EditFields,
    retry::retry_policy,
    route::{Around, route},
    scope::Scope,
};
use crate::{
    message::Scheme,
    tables::{
        Action, HeaderEdits, HeaderMatch, HeaderTest, Redirect, RedirectPath, Route, RouteMatch,
        TextMatch, VirtualHost,
    },
};

/// Routes of one host.
const MAX_ROUTES: usize = 16_384;

/// What a table says for all of its hosts.
pub(super) struct TableHeaders {
    pub request: Arc<HeaderEdits>,
    pub response: Arc<HeaderEdits>,
}

/// A host, without its domains.
pub(super) fn virtual_host(
    scope: &Scope<'_>,
    message: VirtualHostMessage,
    table: &TableHeaders,
) -> Result<Arc<VirtualHost>, Fault> {
    let VirtualHostMessage {
        // For texts, of whoever knows the table.
        name: _,
        domains: _,
        routes,
        require_tls,
        request_headers_to_add,
        request_headers_to_remove,
        response_headers_to_add,
        response_headers_to_remove,
        typed_per_filter_config,
        include_request_attempt_count,
        include_attempt_count_in_response,
        retry_policy: retry,
        hedge_policy,
        include_is_timeout_retry_header,
        // Buffers have bounds of their own.
        per_request_buffer_limit_bytes: _,
        request_body_buffer_limit: _,
        request_mirror_policies,
        // For filters that there are none of.
        metadata: _,
    } = message;
    check_filter_configs(&typed_per_filter_config)?;
    refuse_if(
        include_attempt_count_in_response,
        "include_attempt_count_in_response",
    )?;
    refuse_if(hedge_policy.is_some(), "hedge_policy")?;
    refuse_if(
        include_is_timeout_retry_header,
        "include_is_timeout_retry_header",
    )?;
    refuse_if(
        !request_mirror_policies.is_empty(),
        "request_mirror_policies",
    )?;
    let request = EditFields::request(request_headers_to_add, request_headers_to_remove);
    let response = EditFields::response(response_headers_to_add, response_headers_to_remove);
    let retry = retry
        .map(retry_policy)
        .transpose()
        .map_err(at("retry_policy"))?
        .flatten();
    let around = Around {
        request_headers: &[request.compile()?, Arc::clone(&table.request)],
        response_headers: &[response.compile()?, Arc::clone(&table.response)],
        retry: retry.as_ref(),
    };
    let mut compiled = tls_redirect(require_tls)?;
    compiled.extend(each("routes", MAX_ROUTES, routes, |message| {
        route(scope, message, &around)
    })?);
    Ok(Arc::new(VirtualHost {
        routes: compiled,
        tells_attempt: include_request_attempt_count,
        is_stand_in: false,
    }))
}

/// The route that sends clients without TLS elsewhere, before all others.
fn tls_redirect(requirement: i32) -> Result<Vec<Arc<Route>>, Fault> {
    match TlsRequirementType::try_from(requirement) {
        Ok(TlsRequirementType::None) => Ok(Vec::new()),
        Ok(TlsRequirementType::All) => {
            let plaintext = HeaderTest::Text(TextMatch::exact("http"));
            let mut matches = RouteMatch::any();
            matches.headers.push(HeaderMatch::new(":scheme", plaintext));
            let redirect = Redirect {
                status: StatusCode::MOVED_PERMANENTLY,
                scheme: Some(Scheme::Https),
                host: None,
                port: None,
                path: RedirectPath::Same,
                strips_query: false,
            };
            Ok(vec![Arc::new(Route::new(
                "",
                matches,
                Action::Redirect(redirect),
            ))])
        }
        Ok(TlsRequirementType::ExternalOnly) | Err(_) => Err(Fault::unsupported("require_tls")),
    }
}
