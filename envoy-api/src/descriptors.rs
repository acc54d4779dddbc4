//! The descriptors of this crate's messages: their fields' names, numbers and types.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MessageDescriptor};

use crate::{Error, any::shorten};

/// The descriptors of all messages of this crate, and of Google's well-known types: an encoded
/// `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/descriptors.bin");

/// The most bytes of a message that are examined or shown: what a discovery message may have.
pub(crate) const MAX_BYTES: usize = 16 << 20;

/// The most messages inside one another, as prost has it.
pub(crate) const MAX_DEPTH: usize = 100;

/// Messages inside `Any`, which is examined as well.
pub(crate) const ANY: &str = "google.protobuf.Any";

// A test decodes what is committed, so the default is never used.
static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap_or_default());

/// Whether a type is one of this crate's.
#[must_use]
pub fn is_known(type_url: &str) -> bool {
    descriptor(type_url).is_some()
}

/// The message that a type URL means: its name follows the last slash.
pub(crate) fn descriptor(type_url: &str) -> Option<MessageDescriptor> {
    let (_, name) = type_url.rsplit_once('/')?;
    POOL.get_message_by_name(name)
}

/// The message that a type URL means, for bytes that are not too many.
pub(crate) fn descriptor_for(type_url: &str, value: &[u8]) -> Result<MessageDescriptor, Error> {
    if value.len() > MAX_BYTES {
        return Err(Error::TooLarge {
            size: value.len(),
            limit: MAX_BYTES,
        });
    }
    descriptor(type_url).ok_or_else(|| Error::UnknownType(shorten(type_url)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::type_url;

    #[test]
    fn the_committed_descriptors_can_be_decoded() {
        assert!(
            DescriptorPool::decode(FILE_DESCRIPTOR_SET)
                .unwrap()
                .all_messages()
                .len()
                > 100
        );
    }

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
}
