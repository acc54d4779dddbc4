//! Routes that send clients elsewhere, and those that answer themselves.

use std::sync::Arc;

use http::StatusCode;
use pillion_envoy_api::envoy::config::{
    core::v3::{DataSource, data_source::Specifier},
    route::v3::{
        DirectResponseAction, RedirectAction,
        redirect_action::{PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier},
    },
};

use super::{
    fault::{Fault, at},
    scope::Scope,
    text::{bounded, path_rewrite},
    values::port,
};
use crate::{
    message::Scheme,
    tables::{DirectResponse, PathRewrite, Redirect, RedirectPath},
};

/// The largest body that a route answers with, as in Istio.
const MAX_BODY: usize = 1024 * 1024;

pub(super) fn redirect(scope: &Scope<'_>, message: RedirectAction) -> Result<Redirect, Fault> {
    let RedirectAction {
        scheme_rewrite_specifier,
        host_redirect,
        port_redirect,
        path_rewrite_specifier,
        response_code,
        strip_query,
    } = message;
    let host = written("host_redirect", &host_redirect)?;
    Ok(Redirect {
        status: status(response_code)?,
        scheme: scheme(scheme_rewrite_specifier)?,
        host: (!host.is_empty()).then_some(host),
        port: match port_redirect {
            0 => None,
            number => Some(port("port_redirect", number)?),
        },
        path: path(scope, path_rewrite_specifier)?,
        strips_query: strip_query,
    })
}

fn status(code: i32) -> Result<StatusCode, Fault> {
    match RedirectResponseCode::try_from(code) {
        Ok(RedirectResponseCode::MovedPermanently) => Ok(StatusCode::MOVED_PERMANENTLY),
        Ok(RedirectResponseCode::Found) => Ok(StatusCode::FOUND),
        Ok(RedirectResponseCode::SeeOther) => Ok(StatusCode::SEE_OTHER),
        Ok(RedirectResponseCode::TemporaryRedirect) => Ok(StatusCode::TEMPORARY_REDIRECT),
        Ok(RedirectResponseCode::PermanentRedirect) => Ok(StatusCode::PERMANENT_REDIRECT),
        Err(_) => Err(Fault::unsupported("response_code")),
    }
}

fn scheme(specifier: Option<SchemeRewriteSpecifier>) -> Result<Option<Scheme>, Fault> {
    match specifier {
        None | Some(SchemeRewriteSpecifier::HttpsRedirect(false)) => Ok(None),
        Some(SchemeRewriteSpecifier::HttpsRedirect(true)) => Ok(Some(Scheme::Https)),
        Some(SchemeRewriteSpecifier::SchemeRedirect(scheme)) => match scheme.as_str() {
            "http" => Ok(Some(Scheme::Http)),
            "https" => Ok(Some(Scheme::Https)),
            _ => Err(Fault::new("scheme_redirect", "must be http or https")),
        },
    }
}

fn path(scope: &Scope<'_>, specifier: Option<PathRewriteSpecifier>) -> Result<RedirectPath, Fault> {
    Ok(match specifier {
        None => RedirectPath::Same,
        Some(PathRewriteSpecifier::PathRedirect(path)) => {
            RedirectPath::Full(written("path_redirect", &path)?)
        }
        Some(PathRewriteSpecifier::PrefixRewrite(prefix)) => {
            let prefix = written("prefix_rewrite", &prefix)?;
            RedirectPath::Rewritten(PathRewrite::Matched(prefix))
        }
        Some(PathRewriteSpecifier::RegexRewrite(regex)) => {
            RedirectPath::Rewritten(path_rewrite(scope, "regex_rewrite", regex)?)
        }
    })
}

/// A text that becomes a part of a head as it is.
pub(super) fn written(field: &'static str, text: &str) -> Result<Box<[u8]>, Fault> {
    let text = bounded(field, text)?;
    match text.bytes().any(|byte| byte <= b' ' || byte == 127) {
        true => Err(Fault::new(
            field,
            "has a space or a control character in it",
        )),
        false => Ok(text.as_bytes().into()),
    }
}

pub(super) fn direct_response(message: DirectResponseAction) -> Result<DirectResponse, Fault> {
    let DirectResponseAction { status, body } = message;
    let code = u16::try_from(status)
        .ok()
        .filter(|code| (200..600).contains(code));
    let status = code.and_then(|code| StatusCode::from_u16(code).ok());
    let Some(status) = status else {
        return Err(Fault::new("status", "must be between 200 and 599"));
    };
    Ok(DirectResponse {
        status,
        body: self::body(body.unwrap_or_default()).map_err(at("body"))?,
    })
}

fn body(source: DataSource) -> Result<Arc<[u8]>, Fault> {
    let body: Arc<[u8]> = match source.specifier {
        None => Arc::from([]),
        Some(Specifier::InlineString(text)) => Arc::from(text.into_bytes()),
        Some(Specifier::InlineBytes(bytes)) => Arc::from(bytes.as_ref()),
        Some(Specifier::Filename(_)) => return Err(Fault::unsupported("filename")),
        Some(Specifier::EnvironmentVariable(_)) => {
            return Err(Fault::unsupported("environment_variable"));
        }
    };
    match body.len() > MAX_BODY {
        true => Err(Fault::new(
            "inline_string",
            format!("has more than {MAX_BODY} bytes"),
        )),
        false => Ok(body),
    }
}
