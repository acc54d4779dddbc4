//! Whether a text is a Kubernetes quantity (`resource.Quantity`).

const SUFFIXES: [&str; 14] = [
    "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "n", "u", "m", "k", "M", "G", "T", "P",
];

/// Whether the text is a quantity that is not negative: `100m`, `1.5`, `1e3`, `2Gi`.
pub(crate) fn is_valid(text: &str) -> bool {
    let text = text.strip_prefix('+').unwrap_or(text);
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    is_decimal(number)
        && (suffix.is_empty() || suffix == "E" || SUFFIXES.contains(&suffix) || is_exponent(suffix))
}

fn is_decimal(number: &str) -> bool {
    number.bytes().any(|byte| byte.is_ascii_digit())
        && number.bytes().filter(|byte| *byte == b'.').count() <= 1
}

fn is_exponent(suffix: &str) -> bool {
    suffix
        .strip_prefix(['e', 'E'])
        .map(|power| power.strip_prefix(['+', '-']).unwrap_or(power))
        .is_some_and(|power| !power.is_empty() && power.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn accepts_quantities() {
        for text in [
            "0", "100m", "1.5", ".5", "5.", "1e3", "1E-2", "2Gi", "128Mi", "1k", "3E", "+1",
        ] {
            assert!(is_valid(text), "{text}");
        }
    }

    #[test]
    fn rejects_what_is_not_a_quantity() {
        for text in [
            "", ".", "1.2.3", "-1", "1 Gi", "1gi", "Gi", "1e", "1\n", "1KiB", "NaN",
        ] {
            assert!(!is_valid(text), "{text}");
        }
    }
}
