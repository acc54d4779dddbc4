//! A bound on the memory that a review's JSON takes when it is read: not its bytes count most,
//! but how many values they are.

/// The most values in a review. Each takes some 100 bytes.
pub(super) const MOST_VALUES: usize = 256 << 10;

/// Whether JSON has more values than are read. It counts what separates them, outside of texts.
pub(super) fn has_too_many_values(json: &[u8]) -> bool {
    let mut values = 0;
    let mut in_text = false;
    let mut escaped = false;
    for byte in json {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
        } else {
            match byte {
                b'"' => in_text = true,
                b',' | b'[' | b'{' => values += 1,
                _ => {}
            }
            if values > MOST_VALUES {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_values_and_not_texts() {
        let mut json = format!("[\"\\\"{}\"", ",".repeat(MOST_VALUES)).into_bytes();
        assert!(!has_too_many_values(&json));
        json.extend(",0".repeat(MOST_VALUES - 1).bytes());
        assert!(!has_too_many_values(&json));
        json.extend(b",0");
        assert!(has_too_many_values(&json));
    }
}
