//! The id of a trace, as it is given.

use std::{fmt, str::FromStr};

/// How many digits it has at most: it is a number of 128 bits.
const DIGITS: usize = 32;

/// The id of a trace, in lower case: Zipkin takes no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TraceId(String);

/// Why a text is no id of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a trace has from 1 to {DIGITS} hexadecimal digits")]
pub(super) struct NoTraceId;

impl FromStr for TraceId {
    type Err = NoTraceId;

    fn from_str(text: &str) -> Result<Self, NoTraceId> {
        let is_id =
            (1..=DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id
            .then(|| Self(text.to_ascii_lowercase()))
            .ok_or(NoTraceId)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_hexadecimal_number_of_128_bits() {
        for (text, id) in [
            ("7", "7"),
            ("4BF92F3577B34DA6", "4bf92f3577b34da6"),
            (
                "4bf92f3577b34da6a3ce929d0e0e4736",
                "4bf92f3577b34da6a3ce929d0e0e4736",
            ),
        ] {
            assert_eq!(
                text.parse().map(|id: TraceId| id.to_string()),
                Ok(id.to_owned())
            );
        }
        let long = "0".repeat(33);
        for text in ["", "web.shop", "a/../b", "a?b", "0x7", &long] {
            assert_eq!(text.parse::<TraceId>(), Err(NoTraceId), "{text}");
        }
    }
}
