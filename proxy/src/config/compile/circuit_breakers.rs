//! Circuit breakers of a cluster.

use pillion_envoy_api::envoy::config::{
    cluster::v3::{
        CircuitBreakers,
        circuit_breakers::{Thresholds, thresholds::RetryBudget as RetryBudgetMessage},
    },
    core::v3::RoutingPriority,
};

use super::fault::{Fault, at, at_index, refuse_if};
use crate::tables::{CircuitLimits, RetryBudget};

/// Envoy's defaults, where a cluster says nothing.
const DEFAULT: CircuitLimits = CircuitLimits {
    connections: 1024,
    pending: 1024,
    requests: 1024,
    retries: 3,
};

pub(super) fn circuit_breakers(
    message: CircuitBreakers,
) -> Result<(CircuitLimits, Option<RetryBudget>), Fault> {
    let CircuitBreakers {
        thresholds,
        per_host_thresholds,
    } = message;
    refuse_if(!per_host_thresholds.is_empty(), "per_host_thresholds")?;
    let is_default = |thresholds: &Thresholds| {
        // Routes of high priority are refused: there is nothing that other thresholds are for.
        thresholds.priority == i32::from(RoutingPriority::Default)
    };
    // As in Envoy, the first of a priority counts.
    let found = thresholds
        .into_iter()
        .enumerate()
        .find(|(_, found)| is_default(found));
    let Some((index, found)) = found else {
        return Ok((DEFAULT, None));
    };
    limits(found).map_err(at_index("thresholds", index))
}

fn limits(message: Thresholds) -> Result<(CircuitLimits, Option<RetryBudget>), Fault> {
    let Thresholds {
        priority: _,
        max_connections,
        max_pending_requests,
        max_requests,
        max_retries,
        retry_budget,
        // For Envoy's own statistics.
        track_remaining: _,
        max_connection_pools,
    } = message;
    refuse_if(max_connection_pools.is_some(), "max_connection_pools")?;
    let limits = CircuitLimits {
        connections: max_connections.unwrap_or(DEFAULT.connections),
        pending: max_pending_requests.unwrap_or(DEFAULT.pending),
        requests: max_requests.unwrap_or(DEFAULT.requests),
        retries: max_retries.unwrap_or(DEFAULT.retries),
    };
    let budget = retry_budget.map(budget).transpose();
    Ok((limits, budget.map_err(at("retry_budget"))?))
}

fn budget(message: RetryBudgetMessage) -> Result<RetryBudget, Fault> {
    let RetryBudgetMessage {
        budget_percent,
        min_retry_concurrency,
    } = message;
    let percent = budget_percent.map_or(20.0, |percent| percent.value);
    if !(0.0..=100.0).contains(&percent) {
        return Err(Fault::new("budget_percent", "must be between 0 and 100"));
    }
    Ok(RetryBudget {
        percent,
        min_concurrency: min_retry_concurrency.unwrap_or(3),
    })
}
