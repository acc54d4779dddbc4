//! The end of the process: how long connections may go on.

use std::time::Duration;

use tokio::time::sleep;

use super::environment::Environment;
use crate::{kind::Kind, traffic::Traffic};

/// How often connections are counted.
const INTERVAL: Duration = Duration::from_millis(200);

/// Waits until the process may end: once the last connection has, if the environment
/// says so, otherwise after `terminationDrainDuration`. The kubelet's own patience
/// (`terminationGracePeriodSeconds`) bounds both.
pub(super) async fn wait(kind: Kind, environment: &Environment, traffic: &Traffic) {
    if !environment.exit_on_zero_active_connections {
        let whole = environment.proxy_config.termination_drain_duration;
        let intervals = whole.as_millis().div_ceil(INTERVAL.as_millis());
        for _ in 0..intervals {
            // Nobody uses the proxy any more: a Job's pod should not wait for it.
            if traffic.open() == 0 && !kind.drains_all_the_time() {
                return;
            }
            sleep(INTERVAL).await;
        }
        return;
    }
    sleep(environment.minimum_drain_duration).await;
    while traffic.open() > 0 {
        sleep(INTERVAL).await;
    }
}
