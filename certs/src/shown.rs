//! Texts that others have chosen, as operators may be shown them: bounded, and without control characters.

use std::fmt;

/// The longest text that is shown, in characters.
const LONGEST: usize = 300;

/// A name that its owner has chosen.
pub(crate) fn shown(text: &str) -> String {
    let mut characters = text.escape_debug();
    let mut shown: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// What an error says, which may repeat what was read.
pub(crate) fn sentence(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    let shown = text.chars().map(|one| match one.is_control() {
        true => char::REPLACEMENT_CHARACTER,
        false => one,
    });
    shown.take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bundle;

    #[test]
    fn shows_names_bounded_and_without_control_characters() {
        assert_eq!(shown("spiffe://a/ns/b/sa/c"), "spiffe://a/ns/b/sa/c");
        assert_eq!(shown("a\n\u{1b}[31m"), "a\\n\\u{1b}[31m");
        let long = shown(&"\n".repeat(1000));
        assert!(long.ends_with('…') && long.chars().count() == LONGEST + 1);
    }

    #[test]
    fn what_was_read_is_shown_bounded_and_without_control_characters() {
        for tag in ["CERT\u{1c}FICATE".to_owned(), "A".repeat(2_000)] {
            let text = format!("-----BEGIN {tag}-----\nAAAA\n-----END CERTIFICATE-----\n");
            let shown = Bundle::from_pem(&text).unwrap_err().to_string();
            assert!(shown.starts_with("invalid PEM: "), "{shown}");
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
            assert!(shown.chars().count() < 400, "{shown}");
        }
    }
}
