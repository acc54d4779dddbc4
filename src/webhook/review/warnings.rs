//! Admission warnings within the API server's limits.

/// The length, in characters, to which the API server may truncate a warning.
const LONGEST: usize = 256;
/// The total length of a request's warnings that the API server sends to the user.
const TOTAL: usize = 4096;

/// Makes warnings fit the API server's limits. Each is sent in an HTTP header, so control
/// characters are replaced. A long warning is truncated visibly, because the API server
/// would truncate it anywhere.
pub(super) fn within_limits(warnings: &[String]) -> Vec<String> {
    let mut left = TOTAL;
    let mut sent = Vec::with_capacity(warnings.len());
    for warning in warnings {
        let warning = shortened(warning);
        let length = warning.chars().count();
        if length == 0 {
            continue;
        }
        if length > left {
            break;
        }
        left -= length;
        sent.push(warning);
    }
    sent
}

fn shortened(warning: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut text: String = warning
        .trim()
        .chars()
        .map(clean)
        .take(LONGEST + 1)
        .collect();
    if let Some((cut, _)) = text.char_indices().nth(LONGEST - 1)
        && text.chars().count() > LONGEST
    {
        text.truncate(cut);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(warning: &str) -> String {
        within_limits(&[warning.to_owned()]).remove(0)
    }

    #[test]
    fn leaves_a_short_warning_alone() {
        assert_eq!(one("hostNetwork: no sidecar"), "hostNetwork: no sidecar");
    }

    #[test]
    fn leaves_a_warning_of_just_the_limit_alone() {
        let warning = "ä".repeat(LONGEST);
        assert_eq!(one(&warning), warning);
    }

    #[test]
    fn cuts_a_long_warning_visibly() {
        let cut = one(&"ä".repeat(LONGEST + 1));
        assert_eq!(cut.chars().count(), LONGEST);
        assert!(cut.ends_with("ä…"));
    }

    #[test]
    fn replaces_control_characters() {
        assert_eq!(one("a\r\nX-Evil: 1\u{7}"), "a  X-Evil: 1 ");
    }

    #[test]
    fn drops_empty_warnings() {
        assert!(within_limits(&[String::new(), "\n".to_owned()]).is_empty());
    }

    #[test]
    fn stops_before_the_total_limit() {
        let sent = within_limits(&vec!["w".repeat(200); 30]);
        assert_eq!(sent.len(), TOTAL / 200);
    }
}
