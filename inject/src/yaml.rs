//! YAML as Kubernetes reads and writes it.
//!
//! kubectl reads YAML 1.1: `0644` is octal, `yes` and `on` are booleans. If it
//! were read differently here, `kube-inject` would change what a manifest means. Three
//! rarities still differ: booleans in mixed case (`oFF`, a string to kubectl), numbers
//! with unusual underscores (`1_000.5`, a string here), and keys that are not strings
//! (`on: x`, which kubectl reads as `"true": x`). What is written means the same in
//! YAML 1.1 and 1.2.

use serde_json::Value;

/// Wider than any line: long strings are not folded.
const NO_FOLDING: usize = 1 << 20;
/// The bytes of scalars that even the smallest text may reach by its aliases.
const SMALL: usize = 100_000;
/// The nodes that it may reach: each takes more memory than a byte.
const FEW: usize = 20_000;

/// Levels of nesting that are read and written. A Pod has about ten; each level takes
/// some kilobytes of stack.
const MAX_DEPTH: usize = 64;
/// Nodes of a configuration, for [`parse_bounded`]: the chart's has about a thousand,
/// and a ConfigMap of the largest size could hold more than there is memory for.
pub(crate) const CONFIGURATION: usize = 50_000;

/// Text that is not YAML, or a value that YAML can't represent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// Reads one document. An empty one is `null`.
///
/// # Errors
///
/// With the line and column where reading stopped.
pub fn parse(text: &str) -> Result<Value, Error> {
    // Without aliases, a text has fewer nodes and events than bytes. With more, it
    // would grow as it is read.
    parse_bounded(text, FEW + text.len())
}

/// Reads one document with a limit on its nodes (scalars, lists and mappings, with
/// those that aliases repeat). A node takes up to a few hundred bytes.
///
/// # Errors
///
/// As for [`parse`].
pub fn parse_bounded(text: &str, nodes: usize) -> Result<Value, Error> {
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
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
            "duplicate key {key:?} at line {}, column {}",
            location.line(),
            location.column()
        ),
        serde_saphyr::Error::Budget { location, .. } => format!(
            "nested too deeply, or too many parts (with those that aliases repeat), at line {}, column {}",
            location.line(),
            location.column()
        ),
        // What the parser itself says: the text is not YAML.
        syntax @ serde_saphyr::Error::ExternalMessage { .. } => format!(
            "{}; look at the indentation and the quotes of this line and of those before it",
            syntax.render_with_formatter(&serde_saphyr::UserMessageFormatter)
        ),
        other => other.render_with_formatter(&serde_saphyr::UserMessageFormatter),
    }
}

/// Writes one document, without a `---` line.
///
/// # Errors
///
/// When YAML can't represent the value, or it is nested deeper than [`parse`] reads.
pub fn to_string(value: &Value) -> Result<String, Error> {
    if is_deeper(value, MAX_DEPTH) {
        return Err(Error(format!("nested deeper than {MAX_DEPTH} levels")));
    }
    let options = serde_saphyr::ser_options! {
        folded_wrap_chars: NO_FOLDING,
        prefer_block_scalars: !has_line_that_begins_with_tab(value),
    };
    serde_saphyr::to_string_with_options(value, options).map_err(|error| Error(error.to_string()))
}

fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| is_deeper(item, levels - 1)),
        Value::Object(members) => {
            levels == 0 || members.values().any(|member| is_deeper(member, levels - 1))
        }
        _ => false,
    }
}

/// Whether a line of a string begins with a tab, which kubectl takes for an indentation
/// in a block scalar.
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
    fn rejects_a_duplicate_key_and_says_where() {
        let error = parse("a: 1\nb: 2\na: 3\n").unwrap_err().to_string();
        assert!(error.contains("line 3"), "{error}");
    }

    #[test]
    fn writes_nothing_that_is_too_deep_to_be_read() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let value: Value = serde_json::from_str(&nested(64)).unwrap();
        assert_eq!(parse(&to_string(&value).unwrap()).unwrap(), value);
        let value: Value = serde_json::from_str(&nested(65)).unwrap();
        let error = to_string(&value).unwrap_err().to_string();
        assert_eq!(error, "nested deeper than 64 levels");
        let error = parse(&nested(65)).unwrap_err().to_string();
        assert!(error.contains("nested too deeply"), "{error}");
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
