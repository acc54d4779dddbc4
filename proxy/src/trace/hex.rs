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
    let Some(high) = digits.len().checked_sub(16).filter(|high| *high > 0) else {
        return number(digits).map(u128::from);
    };
    let (high, low) = digits.split_at(high);
    Some(u128::from(number(high)?) << 64 | u128::from(number(low)?))
}

/// All 16 digits of a number.
pub(super) fn digits(number: u64) -> [u8; 16] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 16];
    for (byte, place) in number.to_be_bytes().iter().zip(text.chunks_exact_mut(2)) {
        place[0] = DIGITS[usize::from(byte >> 4)];
        place[1] = DIGITS[usize::from(byte & 0xf)];
    }
    text
}

/// All 32 digits.
pub(super) fn wide_digits(number: u128) -> [u8; 32] {
    let mut text = [0; 32];
    let (high, low) = text.split_at_mut(16);
    let bytes = number.to_be_bytes();
    let (first, second) = bytes.split_at(8);
    for (half, place) in [(first, high), (second, low)] {
        let half = <[u8; 8]>::try_from(half).map_or(0, u64::from_be_bytes);
        place.copy_from_slice(&digits(half));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for value in [0, 1, 0xb7ad_6b71_6920_3331, u64::MAX] {
            assert_eq!(number(&digits(value)), Some(value));
        }
        assert_eq!(&digits(0xb7ad_6b71_6920_3331), b"b7ad6b7169203331");
        for value in [0, 1 << 64, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, 7] {
            assert_eq!(wide_number(&wide_digits(value)), Some(value));
        }
    }

    #[test]
    fn reads_fewer_digits_and_capitals() {
        assert_eq!(number(b"Ff"), Some(255));
        assert_eq!(wide_number(b"10000000000000000"), Some(1 << 64));
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in [&b""[..], b"g", b"-1", b" 1", b"00000000000000000"] {
            assert_eq!(number(text), None, "{text:?}");
        }
        assert_eq!(wide_number(&[b'0'; 33]), None);
        assert_eq!(wide_number(b""), None);
    }
}
