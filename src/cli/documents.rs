//! A file's YAML documents as text, so that those which are not edited come
//! out byte for byte as they went in.

/// Splits a file into its documents: at lines that start with `---`, which no
/// scalar can hold at that place. Documents of white space only are left out.
pub(super) fn split(text: &str) -> Vec<&str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    let mut start = 0;
    let mut position = 0;
    for line in text.split_inclusive('\n') {
        if let Some(rest) = line.strip_prefix("---")
            && (rest.is_empty() || rest.starts_with(char::is_whitespace))
        {
            documents.push(&text[start..position]);
            let is_bare = rest.trim().is_empty() || rest.trim_start().starts_with('#');
            start = position + if is_bare { line.len() } else { 3 };
        } else if line.trim_end() == "..." {
            documents.push(&text[start..position]);
            start = position + line.len();
        }
        position += line.len();
    }
    documents.push(&text[start..]);
    documents.retain(|document| !document.trim().is_empty());
    documents
}

/// Whether a document holds nothing but comments.
pub(super) fn is_comment(document: &str) -> bool {
    document
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_separators_only() {
        let text =
            "---\na: 1\n---\nb: |\n  ---\n  text\n--- # next\nc: 3\n...\n---\n\n---\nd: ---x\n";
        assert_eq!(
            split(text),
            ["a: 1\n", "b: |\n  ---\n  text\n", "c: 3\n", "d: ---x\n"]
        );
    }

    #[test]
    fn takes_content_behind_the_separator() {
        assert_eq!(split("--- {a: 1}\n--- b\n"), [" {a: 1}\n", " b\n"]);
    }

    #[test]
    fn tolerates_a_byte_order_mark_and_carriage_returns() {
        assert_eq!(
            split("\u{feff}a: 1\r\n---\r\nb: 2\r\n"),
            ["a: 1\r\n", "b: 2\r\n"]
        );
    }

    #[test]
    fn an_empty_file_has_no_documents() {
        assert_eq!(split("\n---\n---\n"), [""; 0]);
    }

    #[test]
    fn tells_comments_from_content() {
        assert!(is_comment("# a\n\n  # b\n"));
        assert!(!is_comment("# a\nb: 1\n"));
    }
}
