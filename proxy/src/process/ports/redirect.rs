//! Redirects of the application, as the kubelet and Istio take them: to itself they are
//! followed.

use std::net::IpAddr;

use axum::http::{
    StatusCode, Uri, header,
    uri::{Authority, PathAndQuery},
};

use super::request::Answer;
use crate::process::app_probes::Scheme;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub scheme: Scheme,
    pub port: u16,
    pub path: PathAndQuery,
}

/// Where an answer leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    /// To the pod itself: it is followed. With the `Host` if the URL names one.
    Here(Target, Option<Authority>),
    /// To another host: whoever says so is healthy.
    Elsewhere,
}

/// A `Location` that is not a URL.
#[derive(Debug, thiserror::Error)]
#[error("redirected to {0:?}, which is not a URL")]
pub(super) struct NotUrl(String);

/// Where an answer leads, if it does.
pub(super) fn redirect(
    from: &Target,
    answer: &Answer,
    application: IpAddr,
) -> Result<Option<Redirect>, NotUrl> {
    const FOLLOWED: [StatusCode; 5] = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    let Some(location) = answer.head.headers.get(header::LOCATION) else {
        return Ok(None);
    };
    if !FOLLOWED.contains(&answer.head.status) {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(location.as_bytes());
    match resolve(from, &text, application) {
        Some(redirect) => Ok(Some(redirect)),
        None => Err(NotUrl(text.into_owned())),
    }
}

/// Resolves a `Location`; `None` when it is not a URL.
fn resolve(from: &Target, location: &str, application: IpAddr) -> Option<Redirect> {
    let (location, _fragment) = location.split_once('#').unwrap_or((location, ""));
    let before_path = location.split(['/', '?']).next().unwrap_or_default();
    let absolute = if location.starts_with("//") {
        let scheme = match from.scheme {
            Scheme::Http => "http:",
            Scheme::Https => "https:",
        };
        format!("{scheme}{location}")
    } else if before_path.ends_with(':') {
        location.to_owned()
    } else {
        let path = from.path.path();
        let relative = match location {
            "" => from.path.as_str().to_owned(),
            location if location.starts_with('/') => location.to_owned(),
            location if location.starts_with('?') => format!("{path}{location}"),
            location => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{location}")
            }
        };
        let path = PathAndQuery::try_from(relative).ok()?;
        let target = Target {
            path,
            ..from.clone()
        };
        return Some(Redirect::Here(target, None));
    };
    let uri: Uri = absolute.parse().ok()?;
    let authority = uri.authority()?;
    let (scheme, port) = match uri.scheme_str()? {
        "http" => (Scheme::Http, 80),
        "https" => (Scheme::Https, 443),
        _ => return Some(Redirect::Elsewhere),
    };
    if !is_application(authority.host(), application) {
        return Some(Redirect::Elsewhere);
    }
    let target = Target {
        scheme,
        port: authority.port_u16().unwrap_or(port),
        path: uri
            .path_and_query()
            .cloned()
            .unwrap_or_else(|| PathAndQuery::from_static("/")),
    };
    Some(Redirect::Here(target, Some(authority.clone())))
}

fn is_application(host: &str, application: IpAddr) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse() == Ok(application) || (host == "localhost" && application.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5));

    fn target(scheme: Scheme, port: u16, path: &'static str) -> Target {
        Target {
            scheme,
            port,
            path: PathAndQuery::from_static(path),
        }
    }

    #[test]
    fn follows_redirects_to_the_pod_alone() {
        let from = target(Scheme::Http, 8080, "/a/b?c");
        for (location, scheme, port, path) in [
            ("/x", Scheme::Http, 8080, "/x"),
            ("x?y=http://z#part", Scheme::Http, 8080, "/a/x?y=http://z"),
            ("?d", Scheme::Http, 8080, "/a/b?d"),
            ("//10.0.0.5:81/x", Scheme::Http, 81, "/x"),
            ("https://10.0.0.5/x", Scheme::Https, 443, "/x"),
            ("http://10.0.0.5", Scheme::Http, 80, "/"),
        ] {
            let Some(Redirect::Here(next, _)) = resolve(&from, location, POD) else {
                panic!("{location}");
            };
            assert_eq!(next, target(scheme, port, path), "{location}");
        }
        for location in ["https://shop.example/x", "//10.0.0.6/", "ftp://10.0.0.5/"] {
            let redirect = resolve(&from, location, POD);
            assert_eq!(redirect, Some(Redirect::Elsewhere), "{location}");
        }
        assert_eq!(resolve(&from, "http://", POD), None);
    }
}
