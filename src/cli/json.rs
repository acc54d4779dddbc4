//! JSON from pods, which may be hostile, and JSON for the terminal.

use anyhow::{Context, bail};
use serde::{Serialize, de::DeserializeOwned};

/// The most memory that an answer may take when it is read, in bytes.
const MEMORY: usize = 1 << 30;
/// What an object takes: a node of a `BTreeMap`, with room for 11 keys and values.
const OBJECT: usize = 704;
/// What a list takes with its first element.
const LIST: usize = 128;
/// What one more element, or one more key and its value, takes.
const ELEMENT: usize = 128;

/// Reads JSON from outside: a few bytes of it can become hundreds in memory.
///
/// # Errors
///
/// Returns an error if it is something else, or would take too much memory.
pub(super) fn parse<T: DeserializeOwned>(json: &[u8]) -> anyhow::Result<T> {
    if memory(json) > MEMORY {
        bail!("it would take more than {MEMORY} bytes of memory");
    }
    serde_json::from_slice(json).context("it is not the JSON that is expected")
}

/// What a text of JSON takes in memory, by what separates its values.
fn memory(json: &[u8]) -> usize {
    let (mut memory, mut in_text, mut is_escaped) = (json.len(), false, false);
    for byte in json {
        memory += match (in_text, byte) {
            (true, _) if is_escaped => {
                is_escaped = false;
                0
            }
            (true, b'\\') => {
                is_escaped = true;
                0
            }
            (_, b'"') => {
                in_text = !in_text;
                0
            }
            (true, _) => 0,
            (false, b'{') => OBJECT,
            (false, b'[') => LIST,
            (false, b',') => ELEMENT,
            (false, _) => 0,
        };
    }
    memory
}

/// Writes JSON for people. What a terminal would take for commands is escaped.
///
/// # Errors
///
/// Returns an error if a value can't be JSON.
pub(super) fn pretty(value: &impl Serialize) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    let mut escaped = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        // Outside of texts, there are none of these.
        match u32::from(c) {
            code @ (0x7f..=0x9f | 0x200e..=0x200f | 0x202a..=0x202e | 0x2066..=0x2069) => {
                escaped.push_str(&format!("\\u{code:04x}"));
            }
            _ => escaped.push(c),
        }
    }
    escaped.push('\n');
    Ok(escaped)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_would_take_much_memory_is_not_read() {
        let object = br#"{"":0},"#;
        let json = [b"[".as_slice(), &object.repeat(MEMORY / OBJECT), b"0]"].concat();
        let error = parse::<Value>(&json).unwrap_err().to_string();
        assert!(error.contains("bytes of memory"), "{error}");
    }

    #[test]
    fn texts_take_what_they_have() {
        let json = br#"["\"{{{{", "[[[["]"#;
        assert_eq!(memory(json), json.len() + LIST + ELEMENT);
    }

    #[test]
    fn a_terminal_sees_no_commands() {
        let value = json!({"a": "\u{9b}2J\u{1b}[2J"});
        let text = pretty(&value).unwrap();
        assert_eq!(text, "{\n  \"a\": \"\\u009b2J\\u001b[2J\"\n}\n");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
