//! What the mesh says of its access log.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::format::{Format, FormatError};

/// A log that is on.
#[derive(Debug)]
pub(crate) struct AccessLogConfig {
    pub(super) to: Destination,
    pub(super) format: Format,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    Stdout,
    Stderr,
    File(PathBuf),
}

/// Why the log stays off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("it is not what the injector writes: {0}")]
    Json(#[from] serde_json::Error),
    #[error("accessLogFile must be an absolute path, not {0:?}")]
    File(String),
    #[error("accessLogEncoding must be TEXT or JSON, not {0:?}")]
    Encoding(String),
    #[error("accessLogFormat can't be used: {0}")]
    Format(#[from] InvalidFormat),
}

/// What is wrong with a format.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct InvalidFormat(#[from] FormatError);

/// The fields of Istio's MeshConfig.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Raw {
    access_log_file: String,
    access_log_encoding: Option<String>,
    access_log_format: Option<String>,
}

impl AccessLogConfig {
    /// Reads `PILLION_ACCESS_LOG`; `None` without it or without a file. Also names what the
    /// lines can't say.
    ///
    /// # Errors
    ///
    /// When something can't be read: the log stays off.
    pub fn parse(text: &str) -> Result<(Option<Self>, Vec<String>), Fault> {
        if text.trim().is_empty() {
            return Ok((None, Vec::new()));
        }
        // A list would do for the fields otherwise.
        let fields: Map<String, Value> = serde_json::from_str(text)?;
        let raw: Raw = serde_json::from_value(Value::Object(fields))?;
        let to = match raw.access_log_file.as_str() {
            "" => return Ok((None, Vec::new())),
            "/dev/stdout" => Destination::Stdout,
            "/dev/stderr" => Destination::Stderr,
            path if path.starts_with('/') => Destination::File(path.into()),
            path => return Err(Fault::File(path.to_owned())),
        };
        let format = raw.access_log_format.as_deref();
        let format = format.filter(|text| !text.is_empty());
        let compiled = match raw.access_log_encoding.as_deref() {
            None | Some("" | "TEXT") => Format::text(format),
            Some("JSON") => Format::json(format),
            Some(other) => return Err(Fault::Encoding(other.to_owned())),
        };
        let (format, remarks) = compiled.map_err(InvalidFormat)?;
        Ok((Some(Self { to, format }), remarks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_off_without_a_file() {
        for text in [
            "",
            "{}",
            r#"{"accessLogFile": "", "accessLogEncoding": "X"}"#,
        ] {
            let (config, remarks) = AccessLogConfig::parse(text).unwrap();
            assert!(config.is_none() && remarks.is_empty(), "{text}");
        }
    }

    #[test]
    fn reads_what_the_injector_writes() {
        let text = r#"{"accessLogFile": "/dev/stdout", "accessLogEncoding": null, "accessLogFormat": null}"#;
        let (config, remarks) = AccessLogConfig::parse(text).unwrap();
        let config = config.unwrap();
        assert_eq!((config.to, remarks), (Destination::Stdout, vec![]));
        assert_eq!(config.format, Format::text(None).unwrap().0);
        let text = r#"{"accessLogFile": "/var/log/a", "accessLogEncoding": "JSON", "accessLogFormat": "{\"a\": \"%X%\"}"}"#;
        let (config, remarks) = AccessLogConfig::parse(text).unwrap();
        let to = config.unwrap().to;
        assert_eq!(to, Destination::File("/var/log/a".into()));
        assert_eq!(remarks, ["%X% is not supported"]);
    }

    #[test]
    fn rejects_what_can_not_be_used() {
        let fault = |text: &str| AccessLogConfig::parse(text).unwrap_err();
        assert!(matches!(fault("[]"), Fault::Json(_)));
        let relative = r#"{"accessLogFile": "log"}"#;
        assert!(matches!(fault(relative), Fault::File(_)));
        let encoding = r#"{"accessLogFile": "/a", "accessLogEncoding": "XML"}"#;
        assert!(matches!(fault(encoding), Fault::Encoding(_)));
        for format in [
            r#""JSON", "accessLogFormat": "[]""#,
            r#""TEXT", "accessLogFormat": "%REQ(""#,
        ] {
            let text = format!(r#"{{"accessLogFile": "/a", "accessLogEncoding": {format}}}"#);
            assert!(matches!(fault(&text), Fault::Format(_)), "{text}");
        }
    }
}
