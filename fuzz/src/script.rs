//! What happens in an exchange.

use pillion_proxy::test_util::Setting;

/// What happens, but for how it is cut.
pub(crate) struct Script<'a> {
    pub gateway: bool,
    /// Servers end their connections behind what they say.
    pub servers_end: bool,
    /// The client ends its connection at last.
    pub client_ends: bool,
    pub client: &'a [u8],
    pub answers: Vec<&'a [u8]>,
}

/// How it is cut.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cut<'a> {
    pub client: &'a [u8],
    pub servers: &'a [u8],
    /// So many bytes are taken at a time of what the proxy sends.
    pub taken: u8,
}

/// The proxy of a script.
pub(crate) fn setting(script: &Script<'_>, cut: Cut<'_>) -> Setting {
    Setting {
        gateway: script.gateway,
        piece: cut.taken,
        ..Setting::default()
    }
}
