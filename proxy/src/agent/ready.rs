//! Whether Envoy serves: it has its first listeners and clusters, and its workers run.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use pillion_serve::Condition;
use tokio::time::sleep;

use crate::process::{NoAnswer, ask_envoy};

/// The counters of configurations that Envoy has taken, by a filter that is percent-encoded.
const COUNTERS: &str =
    "/stats?filter=%5E(cluster_manager.cds%7Clistener_manager.lds).update_success%24";
/// How often Envoy is asked, before it is ready and afterwards.
const INTERVALS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// Has the condition say it, for as long as the process runs.
pub(super) async fn follow(condition: Condition) {
    let mut has_configuration = false;
    loop {
        let serves = match serves(&mut has_configuration).await {
            Ok(serves) => serves,
            Err(error) => {
                // Before Envoy listens, and where it has ended, which its agent's end shows.
                tracing::debug!(%error, "Envoy does not answer");
                false
            }
        };
        if serves && !condition.holds() {
            tracing::info!("Envoy is configured and serves");
        }
        condition.set(serves);
        sleep(if serves { INTERVALS.1 } else { INTERVALS.0 }).await;
    }
}

/// Whether it does. What it has once had, it keeps.
async fn serves(has_configuration: &mut bool) -> Result<bool, NoAnswer> {
    let (status, _) = ask_envoy(Method::GET, "/ready").await?;
    if status != StatusCode::OK {
        return Ok(false);
    }
    if !*has_configuration {
        let (_, counters) = ask_envoy(Method::GET, COUNTERS).await?;
        *has_configuration = has_both(&counters);
    }
    Ok(*has_configuration)
}

/// Whether clusters have been taken, and listeners: Envoy is live without, if it has refused the first ones.
fn has_both(counters: &str) -> bool {
    let is_counted = |name: &str| {
        let counted = counters.lines().find_map(|line| line.strip_prefix(name));
        let counted = counted.and_then(|value| value.strip_prefix(": "));
        counted.is_some_and(|value| value.trim() != "0")
    };
    is_counted("cluster_manager.cds.update_success")
        && is_counted("listener_manager.lds.update_success")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_have_to_be_taken() {
        let counters = |clusters: u8, listeners: u8| {
            format!(
                "cluster_manager.cds.update_success: {clusters}\nlistener_manager.lds.update_success: {listeners}\n"
            )
        };
        assert!(has_both(&counters(1, 2)));
        assert!(!has_both(&counters(1, 0)));
        assert!(!has_both(&counters(0, 1)));
        assert!(!has_both(""));
    }
}
