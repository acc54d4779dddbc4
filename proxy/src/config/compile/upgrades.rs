//! Upgrades to other protocols, of listeners and of routes.

use super::fault::{Fault, refuse_if};

/// Checks that nothing is asked for that this proxy doesn't do: upgrades to WebSocket are always
/// passed on, so they can't be turned off.
pub(super) fn check_upgrade(upgrade_type: &str, enabled: Option<bool>) -> Result<(), Fault> {
    if upgrade_type.eq_ignore_ascii_case("connect") {
        return Err(Fault::new(
            "upgrade_type",
            "CONNECT is not supported by this proxy",
        ));
    }
    if !upgrade_type.eq_ignore_ascii_case("websocket") {
        return Err(Fault::new(
            "upgrade_type",
            "only WebSocket is supported by this proxy",
        ));
    }
    refuse_if(enabled == Some(false), "enabled")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_socket_is_taken_and_can_not_be_turned_off() {
        for enabled in [None, Some(true)] {
            assert_eq!(check_upgrade("WebSocket", enabled), Ok(()));
        }
        for (upgrade_type, enabled, fault) in [
            ("websocket", Some(false), "enabled: "),
            ("connect", None, "upgrade_type: CONNECT "),
            ("CONNECT", Some(false), "upgrade_type: CONNECT "),
            ("spdy/3.1", None, "upgrade_type: only WebSocket "),
            ("", None, "upgrade_type: only WebSocket "),
        ] {
            let found = check_upgrade(upgrade_type, enabled).unwrap_err();
            assert!(found.to_string().starts_with(fault), "{found}");
        }
    }
}
