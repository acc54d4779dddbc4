//! The head of a response.

use http::{StatusCode, Version};

use super::{BodySize, Fields};

/// The head of a response, interim (1xx) or final.
///
/// Neither `content-length` nor `transfer-encoding` are among its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    pub status: StatusCode,
    /// As the server sent it.
    pub version: Version,
    /// The body that follows.
    pub body: BodySize,
    /// `content-length` of a response whose body stays away: to HEAD, or 304.
    pub length_without_body: Option<u64>,
    pub fields: Fields,
}

impl ResponseHead {
    /// A head without fields and without a body.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            version: Version::HTTP_11,
            body: BodySize::Empty,
            length_without_body: None,
            fields: Fields::default(),
        }
    }

    /// Whether another head follows this one (1xx, but not 101).
    pub fn is_interim(&self) -> bool {
        self.status.is_informational() && self.status != StatusCode::SWITCHING_PROTOCOLS
    }
}
