//! Counts the messages that are refused.

use http::Version;

use super::{downstream::Downstream, exchange::Exchange};
use crate::{message::Broken, records::Refused};

impl<D: Downstream> Exchange<'_, '_, D> {
    /// The request is refused, for the reason with that label.
    pub fn count_refused_request(&self, reason: &'static str) {
        match self.request.head.version {
            Version::HTTP_2 => self.worker.http2_setup.metrics.refused_head(reason),
            _ => self.count_refused(Refused::Request, reason),
        }
    }

    /// A server has broken off: its response may have been refused.
    pub fn count_refused_response(&self, broken: &Broken) {
        if let Broken::Refused(reason) = broken {
            self.count_refused(Refused::Response, reason);
        }
    }

    /// A message is refused, for the reason with that label.
    pub fn count_refused(&self, refused: Refused, reason: &'static str) {
        let direction = self.connection.direction;
        self.worker.recorder.refused(direction, refused, reason);
    }
}
