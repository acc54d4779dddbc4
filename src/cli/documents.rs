//! A file's YAML documents as text, so that documents that are not edited are
//! written byte for byte as they were read.

use serde_json::Value;

use pillion_inject::yaml;

/// One document of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'a> {
    pub text: &'a str,
    /// The number of lines in the file before this document.
    lines_before: usize,
}

impl Document<'_> {
    /// Parses the document.
    ///
    /// # Errors
    ///
    /// Returns an error that has the line number in the file, not in the document.
    pub fn parse(&self) -> Result<Value, yaml::Error> {
        yaml::parse(self.text).or_else(|error| {
            // Parse again with as many empty lines before it, so that the error counts them.
            let padded = "\n".repeat(self.lines_before) + self.text;
            yaml::parse(&padded).and(Err(error))
        })
    }
}

/// Splits a file into its documents at lines that start with `---`, which a scalar
/// can't contain in the first column. Omits documents of white space only.
pub(super) fn split(text: &str) -> Vec<Document<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    let mut add = |start: usize, end: usize, lines_before: usize| {
        let text = &text[start..end];
        if !text.trim().is_empty() {
            documents.push(Document { text, lines_before });
        }
    };
    let (mut start, mut lines_before) = (0, 0);
    let mut position = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if let Some(rest) = line.strip_prefix("---")
            && (rest.is_empty() || rest.starts_with(char::is_whitespace))
        {
            add(start, position, lines_before);
            let is_bare = rest.trim().is_empty() || rest.trim_start().starts_with('#');
            (start, lines_before) = if is_bare {
                (position + line.len(), index + 1)
            } else {
                (position + 3, index)
            };
        } else if line.trim_end() == "..." {
            add(start, position, lines_before);
            (start, lines_before) = (position + line.len(), index + 1);
        }
        position += line.len();
    }
    add(start, position, lines_before);
    documents
}

/// Whether a document contains only comments.
pub(super) fn is_comment(document: &str) -> bool {
    document
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        super::split(text)
            .into_iter()
            .map(|document| document.text)
            .collect()
    }

    #[test]
    fn an_error_names_the_line_of_the_file() {
        for (text, line) in [
            ("a: 1\n---\nb: 2\nb: 3\n", "line 4"),
            ("# x\n--- {a: 1,\n a: 2}\n", "line 3"),
        ] {
            let documents = super::split(text);
            let error = documents.last().unwrap().parse().unwrap_err().to_string();
            assert!(error.contains(line), "{error}");
        }
    }

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
