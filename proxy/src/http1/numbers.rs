//! Numbers, as text.

/// Reads digits and nothing else; `None` if there are none, or if the number does not fit
/// into 63 bits: some servers read lengths as signed.
pub(super) fn parse_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = u64::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        let number = number.checked_mul(10)?.checked_add(digit)?;
        (number <= i64::MAX.unsigned_abs()).then_some(number)
    })
}

/// Appends a number in decimal.
pub(super) fn write_decimal(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a number in hexadecimal.
pub(super) fn write_hexadecimal(mut number: usize, out: &mut Vec<u8>) {
    let mut digits = [0; 16];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b"0123456789abcdef"[number % 16];
        number /= 16;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_digits_only() {
        for (text, number) in [
            ("0", 0),
            ("007", 7),
            ("9223372036854775807", i64::MAX as u64),
            ("00000000000000000000000000000000005", 5),
        ] {
            assert_eq!(parse_decimal(text.as_bytes()), Some(number), "{text}");
        }
        for bad in [
            "",
            "+3",
            "-1",
            " 1",
            "1 ",
            "1,1",
            "0x1",
            "1.0",
            "٣",
            "9223372036854775808",
            "99999999999999999999999",
        ] {
            assert_eq!(parse_decimal(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn writes_numbers() {
        for number in [0, 7, 10, 255, 65_536, usize::MAX] {
            let (mut decimal, mut hexadecimal) = (Vec::new(), Vec::new());
            write_decimal(number as u64, &mut decimal);
            write_hexadecimal(number, &mut hexadecimal);
            assert_eq!(decimal, number.to_string().into_bytes());
            assert_eq!(hexadecimal, format!("{number:x}").into_bytes());
        }
    }
}
