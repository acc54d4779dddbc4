//! The date in responses, written once a second.

use std::{
    cell::RefCell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A worker's `date` (RFC 9110, 5.6.7).
#[derive(Debug, Default)]
pub(crate) struct HttpDate {
    written: RefCell<(u64, String)>,
}

impl HttpDate {
    /// The date of this second.
    pub fn now(&self) -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        self.at(since.unwrap_or_default())
    }

    fn at(&self, since: Duration) -> String {
        let mut written = self.written.borrow_mut();
        let seconds = since.as_secs();
        if written.1.is_empty() || written.0 != seconds {
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
            *written = (seconds, date);
        }
        written.1.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_each_second_once() {
        let date = HttpDate::default();
        let first = Duration::from_millis(1_784_000_000_200);
        assert_eq!(date.at(first), "Tue, 14 Jul 2026 03:33:20 GMT");
        assert_eq!(date.at(first + Duration::from_millis(700)), date.at(first));
        assert_ne!(date.at(first + Duration::from_secs(1)), date.at(first));
    }
}
