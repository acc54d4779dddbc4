//! Tokens.

/// The bytes of a token (RFC 9110, 5.6.2): methods, names of fields, connection options.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

/// Whether it is a byte of a token.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// Whether it is a token: not empty, and nothing else in it.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token_byte(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_tokens_apart() {
        for good in ["a", "X-Request-ID", "!#$%&'*+-.^_`|~09"] {
            assert!(is_token(good.as_bytes()), "{good}");
        }
        for bad in [
            "", "a b", "a:", "a\t", "a\"", "(a)", "a/b", "é", "\u{7f}", "\0",
        ] {
            assert!(!is_token(bad.as_bytes()), "{bad:?}");
        }
    }
}
