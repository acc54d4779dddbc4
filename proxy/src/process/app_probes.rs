//! The application's own probes and hooks, as the injector left them in
//! `ISTIO_KUBE_APP_PROBERS`.

use std::{collections::BTreeMap, num::NonZero, time::Duration};

use axum::http::{HeaderName, HeaderValue, header::HOST, uri::PathAndQuery};
use serde::Deserialize;
use serde_json::Value;

/// How many there may be: a pod with 200 containers, each with all five.
const MAX_PROBES: usize = 1024;
/// Kubernetes' default of `timeoutSeconds`.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
/// Hooks have no timeout of their own: the kubelet waits until the pod's grace period ends,
/// and then closes the connection.
const HOOK_TIMEOUT: Duration = Duration::from_secs(3600);

/// Probes and hooks, by their paths on the status port. One that is wrong is kept with
/// its fault, which is the answer to whoever asks for it.
#[derive(Debug, Default)]
pub(super) struct AppProbes(BTreeMap<String, Result<Probe, Fault>>);

/// A probe or a hook.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Probe {
    pub handler: Handler,
    pub timeout: Duration,
}

/// What is asked of the application.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Handler {
    Http(HttpGet),
    Tcp { port: u16 },
    Grpc { port: u16, service: String },
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct HttpGet {
    pub scheme: Scheme,
    pub port: u16,
    pub path: PathAndQuery,
    /// All but `Host`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub host: Option<HeaderValue>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

/// What is wrong with a probe.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(
        "the path must be /app-health/CONTAINER/livez, …/readyz or …/startupz, or /app-lifecycle/CONTAINER/prestopz or …/poststartz"
    )]
    Path,
    #[error("it must have exactly one of httpGet, tcpSocket and grpc")]
    Kind,
    #[error("it can't be read: {0}")]
    Json(#[from] serde_json::Error),
    #[error("httpGet.path {0:?} can't be part of a URL")]
    HttpPath(String),
    #[error("httpGet.scheme must be HTTP or HTTPS, not {0:?}")]
    Scheme(String),
    #[error("httpGet.httpHeaders has {0:?}, which can't be sent")]
    Header(String),
}

/// Why none can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("ISTIO_KUBE_APP_PROBERS is not a JSON object: {0}")]
    Json(#[from] serde_json::Error),
    #[error("ISTIO_KUBE_APP_PROBERS has {0} probes, and {MAX_PROBES} are allowed")]
    TooMany(usize),
}

impl AppProbes {
    /// Reads the variable; empty text has none.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let entries: BTreeMap<String, Value> = serde_json::from_str(text)?;
        if entries.len() > MAX_PROBES {
            return Err(Unreadable::TooMany(entries.len()));
        }
        let probes = entries.into_iter().map(|(path, entry)| {
            let probe = Probe::parse(&path, entry);
            (path, probe)
        });
        Ok(Self(probes.collect()))
    }

    /// The probe at a path of the status port.
    pub fn find(&self, path: &str) -> Option<Result<&Probe, &Fault>> {
        self.0.get(path).map(Result::as_ref)
    }

    /// Those that can't be used.
    pub fn faults(&self) -> impl Iterator<Item = (&str, &Fault)> {
        let entries = self.0.iter();
        entries.filter_map(|(path, probe)| Some((path.as_str(), probe.as_ref().err()?)))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawProbe {
    http_get: Option<RawHttpGet>,
    tcp_socket: Option<RawTcpSocket>,
    grpc: Option<RawGrpc>,
    timeout_seconds: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawHttpGet {
    port: NonZero<u16>,
    path: Option<String>,
    scheme: Option<String>,
    http_headers: Option<Vec<RawHeader>>,
}

#[derive(Deserialize)]
struct RawHeader {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
struct RawTcpSocket {
    port: NonZero<u16>,
}

#[derive(Deserialize)]
struct RawGrpc {
    port: NonZero<u16>,
    service: Option<String>,
}

impl Probe {
    fn parse(path: &str, entry: Value) -> Result<Self, Fault> {
        let default_timeout = default_timeout(path).ok_or(Fault::Path)?;
        let raw: RawProbe = serde_json::from_value(entry)?;
        let handler = match (raw.http_get, raw.tcp_socket, raw.grpc) {
            (Some(http), None, None) => Handler::Http(http.check()?),
            (None, Some(tcp), None) => Handler::Tcp {
                port: tcp.port.get(),
            },
            (None, None, Some(grpc)) => Handler::Grpc {
                port: grpc.port.get(),
                service: grpc.service.unwrap_or_default(),
            },
            _ => return Err(Fault::Kind),
        };
        let timeout = match raw.timeout_seconds {
            None | Some(0) => default_timeout,
            Some(seconds) => Duration::from_secs(seconds.into()),
        };
        Ok(Self { handler, timeout })
    }
}

/// The timeout of a probe or a hook that has none; `None` for other paths.
fn default_timeout(path: &str) -> Option<Duration> {
    let mut segments = path.strip_prefix('/')?.split('/');
    let (kind, container, name) = (segments.next()?, segments.next()?, segments.next()?);
    if container.is_empty() || segments.next().is_some() {
        return None;
    }
    match (kind, name) {
        ("app-health", "livez" | "readyz" | "startupz") => Some(DEFAULT_TIMEOUT),
        ("app-lifecycle", "prestopz" | "poststartz") => Some(HOOK_TIMEOUT),
        _ => None,
    }
}

impl RawHttpGet {
    fn check(self) -> Result<HttpGet, Fault> {
        let scheme = match self.scheme.as_deref() {
            None | Some("" | "HTTP") => Scheme::Http,
            Some("HTTPS") => Scheme::Https,
            Some(other) => return Err(Fault::Scheme(other.to_owned())),
        };
        let path = self.path.unwrap_or_default();
        let path = match path.as_str() {
            path if path.starts_with('/') => path.to_owned(),
            path => format!("/{path}"),
        };
        let Ok(path_and_query) = PathAndQuery::try_from(path.as_str()) else {
            return Err(Fault::HttpPath(path));
        };
        let mut headers = Vec::new();
        let mut host = None;
        for RawHeader { name, value } in self.http_headers.unwrap_or_default() {
            let parsed = (
                HeaderName::try_from(name.as_str()),
                HeaderValue::try_from(value),
            );
            match parsed {
                (Ok(name), Ok(value)) if name == HOST => host = Some(value),
                (Ok(name), Ok(value)) => headers.push((name, value)),
                _ => return Err(Fault::Header(name)),
            }
        }
        Ok(HttpGet {
            scheme,
            port: self.port.get(),
            path: path_and_query,
            headers,
            host,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(path: &str, entry: Value) -> Result<Probe, Fault> {
        Probe::parse(path, entry)
    }

    #[test]
    fn reads_what_the_injector_writes() {
        let text = json!({
            "/app-health/a/readyz": {"httpGet": {"port": 80, "path": "r?q=1", "scheme": "HTTPS",
                "httpHeaders": [{"name": "Host", "value": "shop"}, {"name": "a", "value": "b"}]}, "timeoutSeconds": 2},
            "/app-health/a/livez": {"tcpSocket": {"port": 81}},
            "/app-health/a/startupz": {"grpc": {"port": 82, "service": "s"}},
            "/app-lifecycle/a/prestopz": {"httpGet": {"port": 80}},
        });
        let probes = AppProbes::parse(&text.to_string()).unwrap();
        assert_eq!(probes.faults().count(), 0);
        let find = |path| probes.find(path).unwrap().unwrap();
        let readyz = find("/app-health/a/readyz");
        assert_eq!(readyz.timeout, Duration::from_secs(2));
        let Handler::Http(http) = &readyz.handler else {
            panic!("{readyz:?}");
        };
        assert_eq!((http.scheme, http.port), (Scheme::Https, 80));
        assert_eq!(http.path, "/r?q=1");
        assert_eq!(http.host.as_ref().unwrap(), "shop");
        assert_eq!(http.headers.len(), 1);
        assert_eq!(find("/app-health/a/livez").timeout, DEFAULT_TIMEOUT);
        let grpc = Handler::Grpc {
            port: 82,
            service: "s".to_owned(),
        };
        assert_eq!(find("/app-health/a/startupz").handler, grpc);
        assert_eq!(find("/app-lifecycle/a/prestopz").timeout, HOOK_TIMEOUT);
        assert!(probes.find("/app-health/b/livez").is_none());
    }

    #[test]
    fn keeps_the_others_when_one_is_wrong() {
        let text = json!({
            "/app-health/a/livez": {"tcpSocket": {"port": "web"}},
            "/app-health/a/readyz": {"tcpSocket": {"port": 81}},
        });
        let probes = AppProbes::parse(&text.to_string()).unwrap();
        let faults: Vec<_> = probes.faults().map(|(path, _)| path).collect();
        assert_eq!(faults, ["/app-health/a/livez"]);
        assert!(probes.find("/app-health/a/readyz").unwrap().is_ok());
    }

    #[test]
    fn rejects_what_can_not_be_asked() {
        let path = "/app-health/a/livez";
        let tcp = || json!({"tcpSocket": {"port": 80}});
        for bad in [
            "/app-health/a/prestopz",
            "/app-health//livez",
            "/app-health/a/b/livez",
            "/x",
        ] {
            assert!(matches!(parse(bad, tcp()), Err(Fault::Path)), "{bad}");
        }
        let both = json!({"tcpSocket": {"port": 80}, "grpc": {"port": 80}});
        assert!(matches!(parse(path, both), Err(Fault::Kind)));
        assert!(matches!(parse(path, json!({})), Err(Fault::Kind)));
        for port in [json!(0), json!(65536), json!("80"), json!(null)] {
            let probe = parse(path, json!({"tcpSocket": {"port": port}}));
            assert!(matches!(probe, Err(Fault::Json(_))), "{probe:?}");
        }
        let http = |field: &str, value: Value| {
            let mut http = json!({"port": 80});
            http[field] = value;
            parse(path, json!({ "httpGet": http }))
        };
        let scheme = http("scheme", json!("http"));
        assert!(matches!(scheme, Err(Fault::Scheme(_))), "{scheme:?}");
        assert!(matches!(
            http("path", json!("/a b")),
            Err(Fault::HttpPath(_))
        ));
        let header = http("httpHeaders", json!([{"name": "a b", "value": ""}]));
        assert!(matches!(header, Err(Fault::Header(_))), "{header:?}");
    }

    #[test]
    fn rejects_text_that_is_no_object_and_too_many() {
        assert!(AppProbes::parse("").is_ok());
        assert!(matches!(AppProbes::parse("[]"), Err(Unreadable::Json(_))));
        let many: BTreeMap<_, _> = (0..=MAX_PROBES).map(|n| (n.to_string(), 1)).collect();
        let many = AppProbes::parse(&json!(many).to_string());
        assert!(matches!(many, Err(Unreadable::TooMany(_))), "{many:?}");
    }
}
