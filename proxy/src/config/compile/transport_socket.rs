//! What carries the bytes of a connection.

use pillion_envoy_api::{
    envoy::config::core::v3::{TransportSocket, transport_socket::ConfigType},
    type_url,
};

use super::fault::Fault;

/// Checks that nothing but plaintext is asked for.
pub(super) fn plaintext(socket: &TransportSocket) -> Result<(), Fault> {
    let TransportSocket {
        name: _,
        config_type,
    } = socket;
    match config_type {
        Some(ConfigType::TypedConfig(config)) if config.type_url == type_url::RAW_BUFFER => Ok(()),
        _ => Err(Fault::new(
            "typed_config",
            "only plaintext (raw_buffer) is supported",
        )),
    }
}
