//! When a request is sent again.

use std::time::Duration;

use pillion_envoy_api::{
    envoy::config::route::v3::{
        RetryPolicy as RetryPolicyMessage,
        retry_policy::{RetryBackOff, RetryHostPredicate, retry_host_predicate},
    },
    type_url,
};

use super::{
    fault::{Fault, at, at_index, at_most, refuse_if},
    values::limit,
};
use crate::tables::{RetryCondition, RetryPolicy};

/// Nobody waits for more attempts.
const MAX_RETRIES: u32 = 1_000;
/// Status codes of one policy.
const MAX_CODES: usize = 600;
/// How often endpoints are drawn at most.
const MAX_DRAWS: i64 = 100;

/// A policy; `None` if nothing is ever sent again.
pub(super) fn retry_policy(message: RetryPolicyMessage) -> Result<Option<RetryPolicy>, Fault> {
    let RetryPolicyMessage {
        retry_on,
        num_retries,
        per_try_timeout,
        per_try_idle_timeout,
        retry_priority,
        retry_host_predicate,
        retry_options_predicates,
        host_selection_retry_max_attempts,
        retriable_status_codes,
        retry_back_off,
        rate_limited_retry_back_off,
        retriable_headers,
        retriable_request_headers,
    } = message;
    refuse_if(
        limit("per_try_idle_timeout", per_try_idle_timeout)?.is_some(),
        "per_try_idle_timeout",
    )?;
    refuse_if(retry_priority.is_some(), "retry_priority")?;
    refuse_if(
        !retry_options_predicates.is_empty(),
        "retry_options_predicates",
    )?;
    refuse_if(
        rate_limited_retry_back_off.is_some(),
        "rate_limited_retry_back_off",
    )?;
    refuse_if(!retriable_headers.is_empty(), "retriable_headers")?;
    refuse_if(
        !retriable_request_headers.is_empty(),
        "retriable_request_headers",
    )?;
    at_most("retry_host_predicate", 1, retry_host_predicate.len())?;
    for (index, predicate) in retry_host_predicate.iter().enumerate() {
        check_predicate(predicate).map_err(at_index("retry_host_predicate", index))?;
    }
    let names = retry_on
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let on = names
        .map(|name| {
            let known = RetryCondition::of(name);
            let reason = || format!("{name:?} is not supported by this proxy");
            known.ok_or_else(|| Fault::new("retry_on", reason()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    // Envoy's default is one.
    let retries = num_retries.unwrap_or(1).min(MAX_RETRIES);
    if on.is_empty() || retries == 0 {
        return Ok(None);
    }
    at_most(
        "retriable_status_codes",
        MAX_CODES,
        retriable_status_codes.len(),
    )?;
    let codes = retriable_status_codes
        .into_iter()
        .filter_map(|code| u16::try_from(code).ok());
    let draws = host_selection_retry_max_attempts.clamp(1, MAX_DRAWS);
    let mut policy = RetryPolicy {
        on: on.into_iter().collect(),
        status_codes: codes.collect(),
        per_try_timeout: limit("per_try_timeout", per_try_timeout)?,
        avoids_previous_hosts: !retry_host_predicate.is_empty(),
        host_attempts: u32::try_from(draws).unwrap_or(1),
        ..RetryPolicy::new(retries)
    };
    if let Some(pauses) = retry_back_off {
        let (base, max) = pauses_of(pauses).map_err(at("retry_back_off"))?;
        (policy.base_interval, policy.max_interval) = (base, max);
    }
    Ok(Some(policy))
}

fn check_predicate(predicate: &RetryHostPredicate) -> Result<(), Fault> {
    let RetryHostPredicate { name, config_type } = predicate;
    match config_type {
        Some(retry_host_predicate::ConfigType::TypedConfig(config))
            if config.type_url == type_url::PREVIOUS_HOSTS =>
        {
            Ok(())
        }
        _ => Err(Fault::new(
            "name",
            format!("{name:?} is not supported by this proxy"),
        )),
    }
}

fn pauses_of(message: RetryBackOff) -> Result<(Duration, Duration), Fault> {
    let RetryBackOff {
        base_interval,
        max_interval,
    } = message;
    let Some(base) = limit("base_interval", base_interval)? else {
        return Err(Fault::new("base_interval", "must be more than 0"));
    };
    // Envoy's default.
    let max = limit("max_interval", max_interval)?.unwrap_or(base * 10);
    match max < base {
        true => Err(Fault::new(
            "max_interval",
            "must not be less than base_interval",
        )),
        false => Ok((base, max)),
    }
}
