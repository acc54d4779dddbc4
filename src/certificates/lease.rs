//! A Lease, so that only one replica at a time changes the certificates.
//!
//! It only avoids unnecessary work and log lines; the Secret's resource version prevents
//! replicas from overwriting each other's changes.

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};

use crate::cluster::is_forbidden;

/// The lease's duration.
const SECONDS: i32 = 15;

/// Acquires or renews the lease, and returns whether this replica may act. If the lease
/// does not exist and the role may not create it, every replica may.
///
/// # Errors
///
/// Returns an error if the API server does not respond, or denies the request.
pub(super) async fn acquire(api: &Api<Lease>, name: &str, holder: &str) -> kube::Result<bool> {
    let now = Timestamp::now();
    let written = match api.get_opt(name).await? {
        None => {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(name.to_owned()),
                    ..ObjectMeta::default()
                },
                spec: Some(held(holder, now)),
            };
            match api.create(&PostParams::default(), &lease).await {
                // Somebody has deleted the chart's Lease. Continue without one.
                Err(error) if is_forbidden(&error) => {
                    tracing::warn!(
                        lease = name,
                        "the chart's Lease is missing, and this process may not create one: create it again with helm \
                         upgrade. Until then, replicas may conflict with each other"
                    );
                    return Ok(true);
                }
                created => created,
            }
        }
        Some(mut lease) => {
            if lease
                .spec
                .as_ref()
                .is_some_and(|spec| is_held_by_another(spec, holder, now))
            {
                return Ok(false);
            }
            lease.spec = Some(held(holder, now));
            api.replace(name, &PostParams::default(), &lease).await
        }
    };
    match written {
        Ok(_) => Ok(true),
        // Another replica was faster.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

fn held(holder: &str, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(holder.to_owned()),
        lease_duration_seconds: Some(SECONDS),
        renew_time: Some(MicroTime(now)),
        ..LeaseSpec::default()
    }
}

fn is_held_by_another(spec: &LeaseSpec, holder: &str, now: Timestamp) -> bool {
    let other = spec
        .holder_identity
        .as_deref()
        .is_some_and(|other| !other.is_empty() && other != holder);
    let seconds = SignedDuration::from_secs(spec.lease_duration_seconds.unwrap_or(SECONDS).into());
    let fresh = spec
        .renew_time
        .as_ref()
        .is_some_and(|renewed| now.duration_since(renewed.0) < seconds);
    other && fresh
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_that_ran_out_can_be_taken() {
        let start = Timestamp::UNIX_EPOCH;
        let spec = held("a", start);
        let after = |seconds| start + SignedDuration::from_secs(seconds);
        assert!(is_held_by_another(&spec, "b", after(14)));
        assert!(!is_held_by_another(&spec, "a", after(14)));
        assert!(!is_held_by_another(&spec, "b", after(15)));
        assert!(!is_held_by_another(&LeaseSpec::default(), "b", start));
    }
}
