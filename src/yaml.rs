//! YAML as Kubernetes reads and writes it.
//!
//! kubectl reads YAML 1.1: `0644` is octal, `yes` and `on` are booleans. Read
//! otherwise here, a manifest would mean something else after `kube-inject`
//! than before. Three rarities are read otherwise still: booleans in odd letters
//! (`oFF`, a string to kubectl), numbers with odd underscores (`1_000.5`, a string
//! here), and keys that are no strings (`on: x`, to kubectl `"true": x`). What is
//! written means the same to a reader of YAML 1.1 and of 1.2.

use serde_json::Value;

/// Wider than any line: long strings are not folded.
const NO_FOLDING: usize = 1 << 20;
/// What the smallest of texts may come to by its aliases.
const SMALL: usize = 100_000;

/// Nodes of a configuration, for [`parse_bounded`]: the chart's has about a thousand,
/// and a ConfigMap of the largest size could hold more than there is memory for.
pub(crate) const CONFIGURATION: usize = 50_000;

/// Text that is not YAML, or a value that has no form in YAML.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl From<Error> for Vec<String> {
    fn from(error: Error) -> Self {
        vec![error.0]
    }
}

/// Reads one document. An empty one is `null`.
///
/// # Errors
///
/// With the line and column where reading stopped.
pub fn parse(text: &str) -> Result<Value, Error> {
    // Without aliases, a text has fewer nodes and events than bytes. More would be
    // a text that grows as it is read.
    parse_bounded(text, SMALL + text.len())
}

/// The same for a text of at most so many nodes (scalars, lists and mappings,
/// those that aliases repeat included). One takes up to a few hundred bytes.
///
/// # Errors
///
/// As for [`parse`].
pub(crate) fn parse_bounded(text: &str, nodes: usize) -> Result<Value, Error> {
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        budget: serde_saphyr::budget! {
            max_nodes: nodes,
            max_events: 2 * nodes + 16,
            max_total_scalar_bytes: SMALL + text.len(),
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| Error(describe(&error)))
}

fn describe(error: &serde_saphyr::Error) -> String {
    let error = error.without_snippet();
    match error {
        serde_saphyr::Error::DuplicateMappingKey {
            key: Some(key),
            location,
        } => format!(
            "the key {key:?} stands twice, the second time at line {}, column {}",
            location.line(),
            location.column()
        ),
        serde_saphyr::Error::Budget { location, .. } => format!(
            "it is nested too deep or has too many parts (aliases count as what they stand for), at line {}, column {}",
            location.line(),
            location.column()
        ),
        other => other.render_with_formatter(&serde_saphyr::UserMessageFormatter),
    }
}

/// Writes one document, without a `---` line.
///
/// # Errors
///
/// When the value has no form in YAML.
pub fn to_string(value: &Value) -> Result<String, Error> {
    let options = serde_saphyr::ser_options! {
        folded_wrap_chars: NO_FOLDING,
        prefer_block_scalars: !has_line_that_begins_with_tab(value),
    };
    serde_saphyr::to_string_with_options(value, options).map_err(|error| Error(error.to_string()))
}

/// Whether a string in it has lines and one of them begins with a tab, which in a
/// block scalar kubectl takes for an indentation.
fn has_line_that_begins_with_tab(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with('\t') || text.contains("\n\t"),
        Value::Array(items) => items.iter().any(has_line_that_begins_with_tab),
        Value::Object(members) => members.values().any(has_line_that_begins_with_tab),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_as_kubectl_does() {
        let got = parse(
            "mode: 0644\nbig: 9007199254740993\nyes: 'no'\nflag: on\ntext: \"0644\"\nnothing:\n",
        )
        .unwrap();
        assert_eq!(got["mode"], 420);
        assert_eq!(got["big"], 9_007_199_254_740_993_i64);
        assert_eq!(got["flag"], true);
        assert_eq!(got["text"], "0644");
        assert_eq!(got["nothing"], Value::Null);
    }

    #[test]
    fn an_empty_document_is_null() {
        assert_eq!(parse("").unwrap(), Value::Null);
        assert_eq!(parse("# only a comment\n").unwrap(), Value::Null);
    }

    #[test]
    fn rejects_a_key_that_stands_twice_and_says_where() {
        let error = parse("a: 1\nb: 2\na: 3\n").unwrap_err().to_string();
        assert!(error.contains("line 3"), "{error}");
    }

    #[test]
    fn reads_a_large_list() {
        let text = format!("items:\n{}", "- {a: 1}\n".repeat(200_000));
        assert_eq!(
            parse(&text).unwrap()["items"].as_array().unwrap().len(),
            200_000
        );
    }

    #[test]
    fn rejects_an_alias_bomb() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let refs = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
        }
        assert!(parse(&text).is_err());
    }

    #[test]
    fn expands_anchors_and_merge_keys() {
        let got = parse("base: &base {a: 1, b: 2}\nuse:\n  <<: *base\n  b: 3\n").unwrap();
        assert_eq!(got["use"], json!({"a": 1, "b": 3}));
    }

    #[test]
    fn writes_strings_so_that_every_reader_takes_them_for_strings() {
        for text in [
            "yes",
            "no",
            "on",
            "off",
            "y",
            "n",
            "null",
            "~",
            "0644",
            "1e3",
            "12:30",
            "0x1f",
            ".inf",
            "2026-01-01",
            "=",
            "<<",
            " lead",
            "trail ",
            "a: b",
            "a #b",
            "tab\there",
            "two\nlines",
            "two\nlines\n",
            "ends\n\n",
            "",
            "'",
            "\"",
            "- a",
            "{",
            "[",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "|",
            ">",
            "\u{feff}",
            "\u{85}",
            "1_000",
        ] {
            let value = json!({"key": text, text: "value", "list": [text]});
            let written = to_string(&value).unwrap();
            assert_eq!(parse(&written).unwrap(), value, "{written}");
        }
    }

    #[test]
    fn writes_no_block_whose_lines_begin_with_a_tab() {
        for text in ["\techo a\n\techo b\n", "\n\ta\n", "a:\n\tb\n"] {
            let written = to_string(&json!({ "a": [text] })).unwrap();
            assert!(!written.contains('\t'), "{written}");
            assert_eq!(parse(&written).unwrap()["a"][0], text);
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC*".prop_map(Value::from),
            "[ -~\n\t]{0,40}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{0,12}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(value in any_json()) {
            let written = to_string(&value).unwrap();
            prop_assert_eq!(parse(&written).unwrap(), value, "{}", written);
        }
    }
}
