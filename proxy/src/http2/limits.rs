//! How much of the proxy a connection of HTTP/2 may use.

use std::time::Duration;

use pillion_serve::Allowance;

use crate::bounds::{FIELDS, HEAD_BYTES, IDLE};

/// The bounds of one connection, upstream or downstream.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Streams that a peer may have open at a time (`SETTINGS_MAX_CONCURRENT_STREAMS`),
    /// and that we open at most, however many the server allows. Envoy's default.
    pub streams: u32,
    /// Decoded bytes of a head (`SETTINGS_MAX_HEADER_LIST_SIZE`, RFC 9113, 6.5.2: 32 more
    /// for each field), as Envoy's `max_request_headers_kb`. More is answered with 431.
    pub head_bytes: u32,
    /// Fields of a head or of trailers, as Envoy's `max_headers_count`. More is answered with 431.
    pub fields: usize,
    /// Bytes of a stream that may be received before they are consumed.
    pub stream_window: u32,
    /// Bytes of all streams that may be received before they are consumed.
    pub connection_window: u32,
    /// What h2 may keep for frames of DATA besides their bytes: it charges 256 for each, less the
    /// bytes that it brings, until somebody takes them.
    pub data_frames: usize,
    /// Bytes of a stream that wait to be sent, whatever window the peer grants.
    pub send_buffer: usize,
    /// Frames that carry no request.
    pub frames: Allowance,
    /// Time for a client's preface.
    pub handshake: Duration,
    /// Time that a downstream connection stays open without a request, as Envoy's
    /// connection manager has it.
    pub idle: Duration,
    /// Time for a peer to take note of our GOAWAY, once a connection is idle or nobody uses it.
    pub goodbye: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: 1024,
            head_bytes: HEAD_BYTES.into(),
            fields: FIELDS,
            stream_window: 64 * 1024 - 1,
            connection_window: CONNECTION_WINDOW,
            data_frames: DATA_FRAMES,
            send_buffer: 64 * 1024,
            frames: FRAMES,
            handshake: Duration::from_secs(10),
            idle: IDLE,
            goodbye: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// [`Self::streams`], as a number of things.
    pub fn most_streams(&self) -> usize {
        usize::try_from(self.streams).unwrap_or(usize::MAX)
    }

    /// How many streams that we have reset h2 remembers, each for a second. What the peer has sent
    /// on them before it knew is not held against it.
    pub fn remembered_resets(&self) -> usize {
        self.most_streams()
    }
}

/// Frames of the largest size that we take, the smallest that HTTP/2 allows (RFC 9113, 6.5.2).
pub(super) const FRAME: u32 = 16 * 1024;

/// Bytes of a body that may wait behind the head of a request, whatever the server's windows are: room for
/// most messages of gRPC. A connection's streams keep 4 MiB of these at most.
pub(super) const FIRST: usize = 4 * 1024;

const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// As much again as the bytes may take. h2's own choice, half of it, is used up by one stream with
/// 2,260 frames of 24 bytes that nobody takes: 54 KB, less than its window; h2 then ends the
/// connection with all of its streams.
///
/// What a stream has received whose other side is slower, stands still or is waited for is not in h2
/// (`Receiving::poll_behind`), so this is for what comes before anybody can take it ([`TURN`]). Empty frames have a bound of h2's own that can't be set:
/// after 100 without an end, the connection ends.
const DATA_FRAMES: usize = 1024 * 1024;

/// Bytes that are read before those who take them have their turn. In frames of one byte they cost
/// less than [`DATA_FRAMES`], also with a buffer of 16 KiB that was read last.
pub(super) const TURN: usize = 24 * 1024;

/// Streams that we may have to reset in the life of a connection because of what the peer sends on
/// them ("MadeYouReset", CVE-2025-8671). Each costs it the frames of a request; h2's default.
pub(super) const STREAM_ERRORS: usize = 1024;

/// Streams that a client may have reset before we have looked at them ("rapid reset",
/// CVE-2023-44487). A client whose deadlines have passed while the proxy was held up resets many,
/// and a turn has some hundred; [`Allowance`] bounds how many come in all.
pub(super) const UNSEEN_RESETS: usize = 100;

/// More than [`Allowance`] gives to callers of our own ports, because a proxy doesn't know
/// what is usual for those it serves: short messages of gRPC in both directions, cancelled
/// requests, a PING for each burst of data.
const FRAMES: Allowance = Allowance {
    // Envoy allows as many frames that wait to be sent (`max_outbound_frames`).
    burst: 10_000,
    rate: 2_000,
    success: 1,
    // What is in an application's frame is its own; only empty ones are for nothing.
    worthwhile: 1,
};

/// What a finished message is worth: one that has the longest head, and then some.
pub(super) const MESSAGE: u32 = 256;

/// What a frame of DATA is worth that the peer receives: two WINDOW_UPDATEs, a PING, and
/// one more.
pub(super) const DATA: u32 = 4;
