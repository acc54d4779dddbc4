//! Options of HTTP/2, towards clients and towards servers.

use pillion_envoy_api::envoy::config::core::v3::Http2ProtocolOptions;

use super::fault::{Fault, refuse_if};

/// Checks that nothing is asked for that this proxy doesn't do.
pub(super) fn check_http2(message: Http2ProtocolOptions) -> Result<(), Fault> {
    let Http2ProtocolOptions {
        // The proxy's windows and numbers are its own bounds, and servers say themselves how
        // many streams they take. Istio always sends the largest number.
        max_concurrent_streams: _,
        initial_stream_window_size: _,
        initial_connection_window_size: _,
        max_outbound_frames: _,
        // It is always allowed.
        allow_connect: _,
        connection_keepalive,
    } = message;
    refuse_if(connection_keepalive.is_some(), "connection_keepalive")
}
