//! Texts for operators, and texts from outside that are passed on to them.

pub(crate) use pillion_xds::limits::shorten;

/// A text without what a terminal would take for commands.
pub(crate) fn printable(text: &str) -> String {
    let is_hidden = |c: char| {
        // Marks that change the direction of writing make a text look like another one.
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if is_hidden(c) { ' ' } else { c })
        .collect()
}

/// A number of things: `1 proxy`, `2 proxies`.
pub(crate) fn plural(count: usize, what: &str) -> String {
    match (count, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(shorten("aé", 2), "a");
        assert_eq!(shorten("aé", 3), "aé");
        assert_eq!(shorten("a", 9), "a");
    }

    #[test]
    fn a_terminal_sees_no_commands() {
        assert_eq!(printable("a\u{1b}[2J\n\u{9b}b\u{202e}é"), "a [2J  b é");
    }

    #[test]
    fn counts_things() {
        assert_eq!(plural(1, "proxy"), "1 proxy");
        assert_eq!(plural(0, "proxy"), "0 proxies");
        assert_eq!(plural(2, "error"), "2 errors");
    }
}
