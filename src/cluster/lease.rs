//! A Lease, so that only one replica at a time does some work.
//!
//! It only avoids unnecessary work and log lines; the resource version of what is written
//! prevents replicas from overwriting each other's changes.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};

use super::errors::is_forbidden;

/// The lease's duration.
const SECONDS: i32 = 15;
/// The same.
pub(crate) const LEASE_DURATION: Duration = Duration::from_secs(SECONDS as u64);

/// What became of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// This replica holds it.
    Held,
    /// Another replica does.
    HeldByAnother,
    /// It does not exist, and the role may not create it: somebody has deleted the chart's.
    Missing,
}

/// Acquires or renews the lease.
///
/// # Errors
///
/// Returns an error if the API server does not respond, or denies the request.
pub(crate) async fn acquire_lease(
    api: &Api<Lease>,
    name: &str,
    holder: &str,
) -> kube::Result<Acquired> {
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
                Err(error) if is_forbidden(&error) => return Ok(Acquired::Missing),
                created => created,
            }
        }
        Some(mut lease) => {
            if lease
                .spec
                .as_ref()
                .is_some_and(|spec| is_held_by_another(spec, holder, now))
            {
                return Ok(Acquired::HeldByAnother);
            }
            lease.spec = Some(held(holder, now));
            api.replace(name, &PostParams::default(), &lease).await
        }
    };
    match written {
        Ok(_) => Ok(Acquired::Held),
        // Another replica was faster.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Acquired::HeldByAnother),
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
