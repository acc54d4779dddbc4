//! Large values for annotations, in each format that annotations have.

use std::fmt::Write as _;

use crate::text::{list, nested, repeated, times};

/// Generates a text of about this many bytes.
pub type Shape = fn(usize) -> String;

/// All generators.
pub const SHAPES: &[Shape] = &[
    |bytes| {
        format!(
            "{{{}}}",
            list(bytes, |text, number| volume(text, number, "{}"))
        )
    },
    |bytes| user_volumes(bytes / 550, 110),
    |bytes| format!("[{}]", list(bytes, |text, _| text.push_str("{}"))),
    |bytes| nested(bytes / 2, "[", "", "]"),
    |bytes| proxy_metadata(bytes / 8),
    yaml_aliases,
    |bytes| yaml_merges(bytes / 16),
    |bytes| format!("{{proxyMetadata: {}}}", nested(bytes / 6, "{a: ", "b", "}")),
    |bytes| format!("- {}", repeated("- ", bytes)),
    |bytes| repeated("? ", bytes),
    |bytes| format!("a: |\n{}", repeated(" x\n", bytes)),
    |bytes| list(bytes, |text, _| text.push_str("sidecar")),
    |bytes| list(bytes, |text, number| port(text, number, "")),
    |bytes| list(bytes, |text, number| port(text, number, ":/m")),
    |bytes| list(bytes, |text, _| text.push_str("10.0.0.0/8")),
    |bytes| list(bytes, |text, _| text.push_str("eth0")),
    |bytes| names_of_all(bytes),
    |bytes| repeated("1", bytes),
    |bytes| repeated("é\u{0}\"\\", bytes),
    |bytes| repeated("{{ values }}", bytes),
];

/// `sidecar.istio.io/userVolume` with a number of volumes, each nested to a depth.
#[must_use]
pub fn user_volumes(count: usize, depth: usize) -> String {
    let deep = nested(depth, r#"{"a":"#, "{}", "}");
    format!(
        "{{{}}}",
        times(count, |text, number| volume(text, number, &deep))
    )
}

/// `proxy.istio.io/config` with a number of variables.
#[must_use]
pub fn proxy_metadata(count: usize) -> String {
    format!(
        "{{proxyMetadata: {{{}}}}}",
        times(count, |text, number| {
            let _ = write!(text, "V{number}: v");
        })
    )
}

/// YAML that expands tenfold with each of its lines.
#[must_use]
pub fn yaml_aliases(bytes: usize) -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut level = 1;
    while text.len() < bytes {
        let refs = format!("*a{}, ", level - 1).repeat(10);
        let _ = writeln!(text, "a{level}: &a{level} [{refs}]");
        level += 1;
    }
    text
}

/// YAML in which each mapping merges a number of others.
#[must_use]
pub fn yaml_merges(count: usize) -> String {
    let mut text = "base: &base {a: 1, b: 2}\n".to_owned();
    for number in 0..count {
        let _ = writeln!(text, "m{number}: {{<<: *base}}");
    }
    text
}

/// `inject.istio.io/templates` with the same template repeated.
#[must_use]
pub fn templates(count: usize) -> String {
    times(count, |text, _| text.push_str("sidecar"))
}

/// A status annotation that names very many parts.
fn names_of_all(bytes: usize) -> String {
    let names = list(bytes / 3, |text, number| {
        let _ = write!(text, r#""n{number}""#);
    });
    format!(r#"{{"containers":[{names}],"volumes":[{names}],"labels":[{names}]}}"#)
}

fn volume(text: &mut String, number: usize, value: &str) {
    let _ = write!(text, r#""v{number}":{value}"#);
}

fn port(text: &mut String, number: usize, path: &str) {
    let _ = write!(text, "{}{path}", number % 10_000);
}
