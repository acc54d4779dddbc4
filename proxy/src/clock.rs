//! The date in responses, written once a second.

use std::{
    cell::Cell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Every date has this length (RFC 9110, 5.6.7, IMF-fixdate).
const LENGTH: usize = 29;

/// A worker's `date`.
#[derive(Debug, Default)]
pub(crate) struct HttpDate {
    /// The second and its text.
    written: Cell<Option<(u64, [u8; LENGTH])>>,
}

impl HttpDate {
    /// The date of this second.
    pub fn now(&self) -> [u8; LENGTH] {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        self.at(since.unwrap_or_default())
    }

    fn at(&self, since: Duration) -> [u8; LENGTH] {
        let now = since.as_secs();
        if let Some((second, text)) = self.written.get()
            && second == now
        {
            return text;
        }
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now));
        let mut text = [b' '; LENGTH];
        for (place, byte) in text.iter_mut().zip(date.bytes()) {
            *place = byte;
        }
        self.written.set(Some((now, text)));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_each_second_once() {
        let date = HttpDate::default();
        let first = Duration::from_millis(1_784_000_000_200);
        assert_eq!(&date.at(first), b"Tue, 14 Jul 2026 03:33:20 GMT");
        assert_eq!(date.at(first + Duration::from_millis(700)), date.at(first));
        assert_ne!(date.at(first + Duration::from_secs(1)), date.at(first));
    }
}
