//! The types of this crate's messages, by the URLs that name them.

use crate::{
    Error,
    any::shorten,
    schema::{self, Message},
};

/// The most bytes of a message that are examined or shown: what a discovery message may have.
pub(crate) const MAX_BYTES: usize = 16 << 20;

/// Messages inside `Any`, which is examined as well.
pub(crate) const ANY: &str = "google.protobuf.Any";

/// Whether a type is one of this crate's.
#[must_use]
pub fn is_known(type_url: &str) -> bool {
    message(type_url).is_some()
}

/// The message that a type URL means: its name follows the last slash.
pub(crate) fn message(type_url: &str) -> Option<&'static Message> {
    let (_, name) = type_url.rsplit_once('/')?;
    schema::message(name)
}

/// The message that a type URL means, for bytes that are not too many.
pub(crate) fn message_for(type_url: &str, value: &[u8]) -> Result<&'static Message, Error> {
    if value.len() > MAX_BYTES {
        return Err(Error::TooLarge {
            size: value.len(),
            limit: MAX_BYTES,
        });
    }
    message(type_url).ok_or_else(|| Error::UnknownType(shorten(type_url)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::type_url;

    #[test]
    fn knows_every_type_url() {
        for url in type_url::ALL {
            assert!(is_known(url), "{url}");
        }
        assert!(!is_known(
            "type.googleapis.com/envoy.config.cluster.v3.Clusters"
        ));
        assert!(!is_known("envoy.config.cluster.v3.Cluster"));
    }

    #[test]
    fn refuses_bytes_that_are_too_many() {
        let error = message_for(type_url::CLUSTER, &vec![0; MAX_BYTES + 1]).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
}
