//! Numbers in hexadecimal digits, as contexts write them.

/// The number that the digits are, of which there are 1 to 16. Both cases are read: senders of
/// B3 use either.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            b'A'..=b'F' => digit - b'A' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

/// The same of 1 to 32 digits.
pub(super) fn wide_number(digits: &[u8]) -> Option<u128> {
    let high = digits.len().saturating_sub(16);
    if high == 0 {
        return number(digits).map(u128::from);
    }
    let (high, low) = digits.split_at(high);
    Some(u128::from(number(high)?) << 64 | u128::from(number(low)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_digits_of_both_cases() {
        assert_eq!(number(b"fF"), Some(255));
        assert_eq!(number(b"b7ad6b7169203331"), Some(0xb7ad_6b71_6920_3331));
        assert_eq!(wide_number(b"10000000000000000"), Some(1 << 64));
        assert_eq!(wide_number(b"0a"), Some(10));
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in [&b""[..], b"g", b"-1", b" 1", b"00000000000000000"] {
            assert_eq!(number(text), None, "{text:?}");
        }
        for text in [&b""[..], &[b'0'; 33], b"0000000000000000000000000000000g"] {
            assert_eq!(wide_number(text), None, "{text:?}");
        }
    }
}
