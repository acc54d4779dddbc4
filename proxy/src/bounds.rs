//! Bounds that hold for both versions of HTTP, times that hold for every protocol, and how many are trusted.

use std::time::Duration;

/// Bytes of a head, as Envoy's `max_request_headers_kb`.
pub(crate) const HEAD_BYTES: u16 = 60 * 1024;
/// Fields of a head or of a trailer section, as Envoy's `max_headers_count`.
pub(crate) const FIELDS: usize = 100;
/// Interim responses to one request. No window bounds them.
pub(crate) const INTERIM_RESPONSES: u32 = 32;
/// Roots of the mesh, wherever they come from.
pub(crate) const MAX_ROOTS: usize = 64;
/// How long a connection may be silent, or idle between two requests, as Envoy's defaults
/// have it.
pub(crate) const IDLE: Duration = Duration::from_secs(3600);
/// How long a client may take to send a head, or to show which version of HTTP it speaks.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(60);
