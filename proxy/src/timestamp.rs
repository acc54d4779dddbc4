//! Times as protobuf's JSON has them.

use time::OffsetDateTime;

/// RFC 3339, in UTC and to the millisecond.
pub(crate) fn timestamp(time: OffsetDateTime) -> String {
    let time = time.to_utc();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn times_are_those_of_protobuf_s_json() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_599_005);
        assert_eq!(timestamp(time.into()), "2025-12-31T23:59:59.005Z");
    }
}
