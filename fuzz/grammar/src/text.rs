//! Text made by repetition.

use serde_json::Value;

/// Elements one behind the other, with commas between them, until there are so many
/// bytes. There is one at least.
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
        // As long as the last one: the next would go beyond it.
        if 2 * text.len() - before > bytes {
            return text;
        }
    }
}

/// A number of elements, with commas between them.
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

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The unit repeated to so many bytes, or a few less.
pub(crate) fn repeated(unit: &str, bytes: usize) -> String {
    unit.repeat(bytes / unit.len().max(1))
}

/// A value nested so many levels deep in lists or mappings.
pub(crate) fn nested(depth: usize, open: &str, inner: &str, close: &str) -> String {
    format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
}
