//! Generating text by repetition.

use serde_json::Value;

/// Joins elements with commas until they have a number of bytes. There is at least one
/// element.
pub(crate) fn list(bytes: usize, mut element: impl FnMut(&mut String, usize)) -> String {
    let mut text = String::with_capacity(bytes + 64);
    let mut count = 0;
    loop {
        let before = text.len();
        if count > 0 {
            text.push(',');
        }
        element(&mut text, count);
        count += 1;
        // The next one, which is as long as the last, would exceed the number.
        if 2 * text.len() - before > bytes {
            return text;
        }
    }
}

/// Joins a number of elements with commas.
pub(crate) fn times(count: usize, mut element: impl FnMut(&mut String, usize)) -> String {
    let mut text = String::new();
    for number in 0..count {
        if number > 0 {
            text.push(',');
        }
        element(&mut text, number);
    }
    text
}

/// Quotes a text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Repeats a unit to at most this many bytes.
pub(crate) fn repeated(unit: &str, bytes: usize) -> String {
    unit.repeat(bytes / unit.len().max(1))
}

/// Nests a value in a number of lists or mappings.
pub(crate) fn nested(depth: usize, open: &str, inner: &str, close: &str) -> String {
    format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
}
