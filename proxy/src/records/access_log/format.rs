//! A compiled format.

use serde_json::{Map, Value as Json};

use super::{
    entry::Entry,
    operator::{self, Operator, Parsed},
    value::Value,
};
use crate::records::escape;

/// Envoy's operators as Istio puts them into a line of text by default.
const DEFAULT_TEXT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \
    \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
    %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
    \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% \
    %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% \
    %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

/// Istio's default labels of a JSON object.
const DEFAULT_JSON: [(&str, &str); 24] = [
    ("authority", "%REQ(:AUTHORITY)%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    (
        "connection_termination_details",
        "%CONNECTION_TERMINATION_DETAILS%",
    ),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("duration", "%DURATION%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("route_name", "%ROUTE_NAME%"),
    ("start_time", "%START_TIME%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    (
        "upstream_service_time",
        "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    ),
    (
        "upstream_transport_failure_reason",
        "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    ),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
];

/// How deep objects may be nested in a format.
const MAX_DEPTH: usize = 16;

/// Why a text is not a format.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormatError {
    #[error("{0:?} does not go on like an operator of Envoy, %NAME(ARGUMENT):LENGTH%")]
    Operator(String),
    #[error("it is not a JSON object: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it has objects in more than {MAX_DEPTH} others")]
    Depth,
}

/// A list of parts, which are written one after the other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Format(Vec<Written>);

#[derive(Debug, PartialEq, Eq)]
enum Written {
    Literal(Vec<u8>),
    Operator {
        operator: Operator,
        limit: Option<usize>,
        style: Style,
    },
}

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Text,
    /// In place of a whole JSON value.
    Json,
    /// Inside a JSON string.
    JsonString,
}

impl Format {
    /// Compiles a text format, Istio's default without one. Also names what is written as
    /// `-` because the proxy does not know it.
    pub fn text(format: Option<&str>) -> Result<(Self, Vec<String>), FormatError> {
        let format = format.unwrap_or(DEFAULT_TEXT);
        let mut compiler = Compiler::default();
        compiler.text(format, Style::Text)?;
        // A line for each entry, as Istio has it.
        if !format.ends_with('\n') {
            compiler.literal(b"\n");
        }
        Ok((Self(compiler.parts), compiler.remarks))
    }

    /// Compiles a JSON format, the same way.
    pub fn json(format: Option<&str>) -> Result<(Self, Vec<String>), FormatError> {
        let mut compiler = Compiler::default();
        match format {
            None => compiler.object(
                DEFAULT_JSON
                    .iter()
                    .map(|(name, text)| (*name, Leaf::Text(text))),
                0,
            )?,
            Some(text) => {
                let object: Map<String, Json> = serde_json::from_str(text)?;
                compiler.object(fields(&object), 0)?;
            }
        }
        compiler.literal(b"\n");
        Ok((Self(compiler.parts), compiler.remarks))
    }

    /// Appends a line.
    pub fn write(&self, entry: &Entry<'_>, line: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Written::Literal(text) => line.extend_from_slice(text),
                Written::Operator {
                    operator,
                    limit,
                    style,
                } => {
                    let value = Value::of(operator, entry).limited(*limit);
                    match style {
                        Style::Text => value.write(escape::text, line),
                        Style::JsonString => value.write(escape::json, line),
                        Style::Json => value.write_json(line),
                    }
                }
            }
        }
    }
}

/// A value in a JSON format.
enum Leaf<'a> {
    Text(&'a str),
    Other(&'a Json),
}

fn fields(object: &Map<String, Json>) -> impl Iterator<Item = (&str, Leaf<'_>)> {
    object
        .iter()
        .map(|(name, value)| (name.as_str(), leaf(value)))
}

fn leaf(value: &Json) -> Leaf<'_> {
    value.as_str().map_or(Leaf::Other(value), Leaf::Text)
}

#[derive(Default)]
struct Compiler {
    parts: Vec<Written>,
    remarks: Vec<String>,
}

impl Compiler {
    fn literal(&mut self, text: &[u8]) {
        match self.parts.last_mut() {
            Some(Written::Literal(before)) => before.extend_from_slice(text),
            _ if text.is_empty() => {}
            _ => self.parts.push(Written::Literal(text.to_vec())),
        }
    }

    /// Text of the format itself.
    fn plain(&mut self, text: &str, style: Style) {
        if style == Style::Text {
            return self.literal(text.as_bytes());
        }
        let mut escaped = Vec::new();
        escape::json(text.as_bytes(), &mut escaped);
        self.literal(&escaped);
    }

    fn operator(&mut self, parsed: Parsed<'_>, style: Style) {
        self.remarks.extend(parsed.fault);
        self.parts.push(Written::Operator {
            operator: parsed.operator,
            limit: parsed.limit,
            style,
        });
    }

    fn text(&mut self, format: &str, style: Style) -> Result<(), FormatError> {
        let mut rest = format;
        while let Some((before, after)) = rest.split_once('%') {
            self.plain(before, style);
            if let Some(after) = after.strip_prefix('%') {
                self.plain("%", style);
                rest = after;
                continue;
            }
            let Some(parsed) = operator::parse(after) else {
                let start: String = after.chars().take(40).collect();
                return Err(FormatError::Operator(format!("%{start}")));
            };
            rest = parsed.rest;
            self.operator(parsed, style);
        }
        self.plain(rest, style);
        Ok(())
    }

    fn object<'a>(
        &mut self,
        fields: impl Iterator<Item = (&'a str, Leaf<'a>)>,
        depth: usize,
    ) -> Result<(), FormatError> {
        // Envoy sorts them, too.
        let mut fields: Vec<_> = fields.collect();
        fields.sort_by_key(|(name, _)| *name);
        self.literal(b"{");
        for (at, (name, value)) in fields.into_iter().enumerate() {
            self.literal(if at == 0 { b"\"" } else { b",\"" });
            self.plain(name, Style::JsonString);
            self.literal(b"\":");
            self.value(value, depth)?;
        }
        self.literal(b"}");
        Ok(())
    }

    fn value(&mut self, value: Leaf<'_>, depth: usize) -> Result<(), FormatError> {
        if depth > MAX_DEPTH {
            return Err(FormatError::Depth);
        }
        match value {
            Leaf::Text(text) => return self.string(text),
            Leaf::Other(Json::Object(object)) => self.object(fields(object), depth + 1)?,
            Leaf::Other(Json::Array(items)) => {
                self.literal(b"[");
                for (at, item) in items.iter().enumerate() {
                    self.literal(if at == 0 { b"" } else { b"," });
                    self.value(leaf(item), depth + 1)?;
                }
                self.literal(b"]");
            }
            Leaf::Other(other) => self.literal(other.to_string().as_bytes()),
        }
        Ok(())
    }

    /// A string that is one operator and nothing else keeps its type, as in Envoy.
    fn string(&mut self, text: &str) -> Result<(), FormatError> {
        let alone = text.strip_prefix('%').and_then(operator::parse);
        if let Some(parsed) = alone.filter(|parsed| parsed.rest.is_empty()) {
            self.operator(parsed, Style::Json);
            return Ok(());
        }
        self.literal(b"\"");
        self.text(text, Style::JsonString)?;
        self.literal(b"\"");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
