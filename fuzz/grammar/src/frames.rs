//! Frames of HTTP/2, and fields in them.

/// The frame types.
pub mod kind {
    /// A piece of a body.
    pub const DATA: u8 = 0;
    /// A head, or its beginning.
    pub const HEADERS: u8 = 1;
    /// What means nothing any more.
    pub const PRIORITY: u8 = 2;
    /// The end of a stream before its time.
    pub const RESET: u8 = 3;
    /// What a client or a server can take.
    pub const SETTINGS: u8 = 4;
    /// A request of the server's own.
    pub const PUSH_PROMISE: u8 = 5;
    /// A question whether the other side is there.
    pub const PING: u8 = 6;
    /// The end of a connection.
    pub const GOAWAY: u8 = 7;
    /// Room for more of a body.
    pub const WINDOW_UPDATE: u8 = 8;
    /// The rest of a head.
    pub const CONTINUATION: u8 = 9;
}

/// What a client sends first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The flag of a stream's last frame with content.
pub const END_STREAM: u8 = 1;
/// The flag of a head's last frame.
pub const END_HEADERS: u8 = 4;

/// Appends a frame.
pub fn frame(stream: &mut Vec<u8>, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or_default();
    stream.extend_from_slice(&length.to_be_bytes()[1..]);
    stream.extend_from_slice(&[kind, flags]);
    stream.extend_from_slice(&id.to_be_bytes());
    stream.extend_from_slice(payload);
}

/// Encodes a field as a literal without indexing.
#[must_use]
pub fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        length(&mut field, text.len());
        field.extend_from_slice(text);
    }
    field
}

/// Encodes an integer with a 7-bit prefix.
fn length(field: &mut Vec<u8>, mut number: usize) {
    if number < 127 {
        field.push(number.to_le_bytes()[0]);
        return;
    }
    field.push(127);
    number -= 127;
    while number >= 128 {
        field.push(number.to_le_bytes()[0] & 127 | 128);
        number >>= 7;
    }
    field.push(number.to_le_bytes()[0]);
}
