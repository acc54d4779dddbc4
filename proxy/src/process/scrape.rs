//! What is scraped of the application, as the injector left it in
//! `ISTIO_PROMETHEUS_ANNOTATIONS`.

use axum::http::uri::PathAndQuery;
use serde::Deserialize;

/// As many as the injector allows.
const MAX_TARGETS: usize = 64;

/// Where the application shows its metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScrapeTarget {
    pub port: u16,
    pub path: PathAndQuery,
}

/// Why the application's metrics are left out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("it is not what the injector writes: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it has {0} targets, and {MAX_TARGETS} are allowed")]
    TooMany(usize),
    #[error("{0:?} is not a port (1–65535)")]
    Port(String),
    #[error("port {0} is the proxy's own, which would scrape itself")]
    Own(u16),
    #[error("{0:?} can't be part of a URL")]
    Path(String),
}

#[derive(Deserialize)]
struct Annotations {
    #[serde(default)]
    scrape: String,
    #[serde(flatten)]
    target: RawTarget,
    #[serde(default)]
    targets: Vec<RawTarget>,
}

#[derive(Deserialize)]
struct RawTarget {
    #[serde(default)]
    port: String,
    #[serde(default)]
    path: String,
}

/// Reads the variable; there are no targets without it, and none if it says `false`.
pub(super) fn parse(text: &str, own_ports: &[u16]) -> Result<Vec<ScrapeTarget>, Fault> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let annotations: Annotations = serde_json::from_str(text)?;
    if annotations.scrape == "false" {
        return Ok(Vec::new());
    }
    if annotations.targets.len() > MAX_TARGETS {
        return Err(Fault::TooMany(annotations.targets.len()));
    }
    let targets = match annotations.targets {
        targets if targets.is_empty() => vec![annotations.target],
        targets => targets,
    };
    let targets = targets.into_iter().map(|target| target.check(own_ports));
    targets.collect()
}

impl RawTarget {
    fn check(self, own_ports: &[u16]) -> Result<ScrapeTarget, Fault> {
        let port = match self.port.as_str() {
            "" => 80,
            text => match text.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err(Fault::Port(self.port)),
            },
        };
        if own_ports.contains(&port) {
            return Err(Fault::Own(port));
        }
        let path = match self.path.as_str() {
            "" => "/metrics".to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            path => format!("/{path}"),
        };
        match PathAndQuery::try_from(path.as_str()) {
            Ok(path) => Ok(ScrapeTarget { port, path }),
            Err(_) => Err(Fault::Path(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(text: &str) -> Vec<(u16, String)> {
        let targets = parse(text, &[15020]).unwrap();
        let pairs = targets.into_iter().map(|it| (it.port, it.path.to_string()));
        pairs.collect()
    }

    #[test]
    fn reads_what_the_injector_writes() {
        assert_eq!(targets(""), []);
        assert_eq!(targets(r#"{"scrape": "false", "port": "9"}"#), []);
        assert_eq!(targets(r#"{"scrape": "true"}"#), [(80, "/metrics".into())]);
        let one = r#"{"port": "9102", "path": "stats?a=b"}"#;
        assert_eq!(targets(one), [(9102, "/stats?a=b".into())]);
        let many = r#"{"port": "1", "path": "/a", "targets": [{"port": "1", "path": "/a"}, {"port": "2", "path": "/b"}]}"#;
        assert_eq!(targets(many), [(1, "/a".into()), (2, "/b".into())]);
    }

    #[test]
    fn rejects_what_can_not_be_scraped() {
        let fault = |text: &str| parse(text, &[15020]).unwrap_err();
        assert!(matches!(fault("[]"), Fault::Json(_)));
        assert!(matches!(fault(r#"{"port": "web"}"#), Fault::Port(_)));
        assert!(matches!(fault(r#"{"port": "0"}"#), Fault::Port(_)));
        assert!(matches!(fault(r#"{"port": "15020"}"#), Fault::Own(15020)));
        assert!(matches!(fault(r#"{"path": "/a b"}"#), Fault::Path(_)));
        let target = r#"{"port": "1"},"#.repeat(MAX_TARGETS);
        let many = format!(r#"{{"targets": [{target} {{"port": "1"}}]}}"#);
        assert!(matches!(fault(&many), Fault::TooMany(65)));
    }
}
