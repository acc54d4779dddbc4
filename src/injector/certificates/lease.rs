//! A Lease, so that one replica at a time changes the certificates.
//!
//! It spares work and noise; the Secret's resource version is what keeps two
//! replicas from overwriting each other.

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

/// How long a holder may be silent.
const SECONDS: i32 = 15;

/// Takes or keeps the lease, or goes without where there is none and we may not
/// make one.
///
/// # Errors
///
/// When the API server does not answer, or refuses.
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
                // The chart makes it; somebody has deleted it. It goes without, too.
                Err(error) if is_forbidden(&error) => {
                    tracing::warn!(
                        lease = name,
                        "the Lease, which the chart makes, is missing, and the injector may not make one; helm upgrade makes \
                         it again. Replicas may be in each other's way meanwhile"
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
        // Another replica was quicker.
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
