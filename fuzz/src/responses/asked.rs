//! What a client of HTTP/1 asks for.

/// A request, which is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub method: &'static str,
    pub text: &'static str,
}

/// What may be asked for.
pub(super) const ASKED: [Asked; 4] = [
    Asked {
        method: "GET",
        text: "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    },
    Asked {
        method: "HEAD",
        text: "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    },
    Asked {
        method: "POST",
        text: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
    },
    Asked {
        method: "GET",
        text: "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
               Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    },
];

impl Asked {
    /// Whether it asks for another protocol.
    pub fn is_upgrade(self) -> bool {
        self == ASKED[3]
    }
}
