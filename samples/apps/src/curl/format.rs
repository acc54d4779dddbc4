//! What is printed besides the body.

use super::transfer::Transfer;
use hyper::{HeaderMap, Response, Version};
use std::fmt::Write;

/// The first line and the headers of an answer, each behind `prefix`.
pub fn head<B>(prefix: &str, response: &Response<B>) -> String {
    let version = match response.version() {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    };
    let status = response.status();
    let first = format!(
        "{prefix}{version} {} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    );
    format!(
        "{}\n{}",
        first.trim_end(),
        headers(prefix, response.headers())
    )
}

/// The headers, each in a line behind `prefix`.
pub fn headers(prefix: &str, headers: &HeaderMap) -> String {
    let mut out = String::new();
    for (name, value) in headers {
        let _ = writeln!(
            out,
            "{prefix}{name}: {}",
            String::from_utf8_lossy(value.as_bytes())
        );
    }
    out
}

/// The text of `--write-out`: variables as `%{NAME}`, `%header{NAME}`, and `\n`, `\t`,
/// `\r`. A variable that it doesn't know is left out, as curl does.
pub fn written(format: &str, transfer: &Transfer, exit_code: u8) -> String {
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find(['%', '\\']) {
        let (before, special) = rest.split_at(at);
        out.push_str(before);
        rest = one(special, transfer, exit_code, &mut out);
    }
    out + rest
}

/// Writes what stands at the beginning of `special`, and returns what follows it.
fn one<'a>(special: &'a str, transfer: &Transfer, exit_code: u8, out: &mut String) -> &'a str {
    for (written, meant) in [("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ("%%", "%")] {
        if let Some(rest) = special.strip_prefix(written) {
            out.push_str(meant);
            return rest;
        }
    }
    if let Some((name, rest)) = special
        .strip_prefix("%{")
        .and_then(|rest| rest.split_once('}'))
    {
        out.push_str(&variable(name, transfer, exit_code).unwrap_or_default());
        return rest;
    }
    if let Some((name, rest)) = special
        .strip_prefix("%header{")
        .and_then(|rest| rest.split_once('}'))
    {
        let value = transfer
            .headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        out.push_str(&value.unwrap_or_default());
        return rest;
    }
    let (first, rest) = special.split_at_checked(1).unwrap_or((special, ""));
    out.push_str(first);
    rest
}

fn variable(name: &str, transfer: &Transfer, exit_code: u8) -> Option<String> {
    let seconds = |duration: std::time::Duration| format!("{:.6}", duration.as_secs_f64());
    Some(match name {
        "http_code" | "response_code" => {
            format!("{:03}", transfer.status.map_or(0, |status| status.as_u16()))
        }
        "http_version" => match transfer.version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            _ => "1.1",
        }
        .to_owned(),
        "time_connect" => seconds(transfer.connected),
        "time_starttransfer" => seconds(transfer.first_byte),
        "time_total" => seconds(transfer.total),
        "size_download" => transfer.size.to_string(),
        "num_redirects" => transfer.redirects.to_string(),
        "url_effective" => transfer.url.clone(),
        "content_type" => {
            String::from_utf8_lossy(transfer.headers.get("content-type")?.as_bytes()).into_owned()
        }
        "exitcode" => exit_code.to_string(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::{StatusCode, header::HeaderValue};

    #[test]
    fn writes_variables_headers_and_escapes() {
        let mut transfer = Transfer::new();
        transfer.status = Some(StatusCode::SERVICE_UNAVAILABLE);
        transfer
            .headers
            .insert("server", HeaderValue::from_static("istio-envoy"));
        transfer.size = 7;
        let written = |format| written(format, &transfer, 22);
        assert_eq!(
            written("%{http_code} %{size_download}\\n%header{server}"),
            "503 7\nistio-envoy"
        );
        assert_eq!(written("é%%\\x%{other}%{exitcode}%"), "é%\\x22%");
        assert_eq!(written("%{http_code"), "%{http_code");
    }

    #[test]
    fn has_the_code_000_without_an_answer() {
        assert_eq!(written("%{http_code}", &Transfer::new(), 7), "000");
    }

    #[test]
    fn prints_a_head_as_curl_does() {
        let mut response = Response::new(());
        response
            .headers_mut()
            .insert("a", HeaderValue::from_static("b"));
        assert_eq!(head("< ", &response), "< HTTP/1.1 200 OK\n< a: b\n");
    }
}
