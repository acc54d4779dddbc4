//! A bound on the memory that an object takes when it is read: a few bytes of JSON can become
//! hundreds in memory.

/// The most memory that one object may take when it is read, in bytes. A VirtualService of 5,000
/// routes is below it. Objects are read one at a time, in reviews and when they are listed.
pub(super) const LARGEST_OBJECT: usize = 32 << 20;

/// What an object takes: a node of a `BTreeMap`, with room for 11 keys and values, or the struct
/// that is read from it.
const OBJECT: usize = 1 << 10;
/// What a list takes with its first element.
const LIST: usize = 128;
/// What one more element, or one more key and its value, takes; nodes and lists may be half full.
const ELEMENT: usize = 192;

/// Whether reading a text would take more than [`LARGEST_OBJECT`], by what separates its values outside of
/// texts.
pub(super) fn is_too_large(json: &[u8]) -> bool {
    let mut memory = json.len();
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
            continue;
        }
        memory += match byte {
            b'"' => {
                in_text = true;
                0
            }
            b'{' => OBJECT,
            b'[' => LIST,
            b',' => ELEMENT,
            _ => 0,
        };
        if memory > LARGEST_OBJECT {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_values_and_not_texts() {
        let most = LARGEST_OBJECT / ELEMENT;
        let mut json = format!("[\"\\\"{}\"", ",{[".repeat(100_000)).into_bytes();
        assert!(!is_too_large(&json));
        json.extend(",0".repeat(most / 2).bytes());
        assert!(!is_too_large(&json));
        json.extend(",0".repeat(most / 2).bytes());
        assert!(is_too_large(&json));
    }

    /// A map of one key takes a whole node, 632 bytes: 262,086 of them took 164 MB.
    #[test]
    fn counts_the_nodes_of_maps() {
        let nested = |count: usize| format!("[{}", "{\"\":".repeat(count));
        assert!(!is_too_large(nested(10_000).as_bytes()));
        assert!(is_too_large(nested(262_086).as_bytes()));
        let beside = "{\"\":0},".repeat(40_000);
        assert!(is_too_large(beside.as_bytes()));
    }

    #[test]
    fn takes_a_large_rule() {
        let route =
            r#"{"match":[{"uri":{"prefix":"/a"}}],"route":[{"destination":{"host":"a"}}]},"#;
        assert!(!is_too_large(route.repeat(5_000).as_bytes()));
    }
}
