//! Envoy's last minute: clients are told to connect elsewhere, and connections may go on for a while.

use axum::http::{Method, StatusCode};

use crate::process::ask_envoy;

/// Listeners of what comes to the pod tell their clients to leave, and stay open; the application still reaches
/// others.
const DRAIN: &str = "/drain_listeners?inboundonly&graceful&skip_exit";
/// Open connections, each listener's, and each of its threads'.
const CONNECTIONS: &str = "/stats?usedonly&filter=downstream_cx_active%24";

/// Begins.
pub(super) async fn begin() {
    match ask_envoy(Method::POST, DRAIN).await {
        Ok((StatusCode::OK, _)) => tracing::info!("Envoy tells clients to connect elsewhere"),
        Ok((status, text)) => {
            tracing::warn!(%status, text = text.trim(), "Envoy does not tell clients to connect elsewhere");
        }
        Err(error) => {
            tracing::warn!(%error, "Envoy can't be asked to tell clients to connect elsewhere");
        }
    }
}

/// Whether Envoy says that no connection is open.
pub(super) async fn has_none() -> bool {
    let answered = ask_envoy(Method::GET, CONNECTIONS).await;
    matches!(answered, Ok((StatusCode::OK, text)) if open(&text) == 0)
}

/// The open connections of listeners that carry traffic.
fn open(text: &str) -> u64 {
    let counts = text.lines().filter_map(|line| {
        let (name, count) = line.split_once(": ")?;
        let listener = name
            .strip_prefix("listener.")?
            .strip_suffix(".downstream_cx_active")?;
        let is_thread = listener.contains(".worker_") || listener.ends_with(".main_thread");
        let is_traffic = !is_thread && listener != "admin" && !listener.ends_with("_15090");
        is_traffic.then(|| count.trim().parse::<u64>().ok())?
    });
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_connections_of_traffic_once() {
        let text = "http.inbound_0.0.0.0_8080.downstream_cx_active: 9\n\
                    listener.0.0.0.0_15001.downstream_cx_active: 2\n\
                    listener.0.0.0.0_15006.downstream_cx_active: 1\n\
                    listener.0.0.0.0_15006.worker_0.downstream_cx_active: 1\n\
                    listener.0.0.0.0_15090.downstream_cx_active: 1\n\
                    listener.[__]_15006.downstream_cx_active: 1\n\
                    listener.admin.downstream_cx_active: 1\n\
                    listener.admin.main_thread.downstream_cx_active: 1\n";
        assert_eq!(open(text), 4);
        assert_eq!(open(""), 0);
    }
}
