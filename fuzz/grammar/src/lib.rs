//! Hostile input for the injector's parsers: small pods that are corrupted, and large ones
//! that are generated from a few bytes.
//!
//! The crate depends neither on the injector nor on a fuzzer, so that tests, benches and
//! fuzz targets can all use it.

pub mod annotations;
pub mod cases;
pub mod configs;
pub mod connections;
pub mod corrupted;
pub mod frames;
pub mod large;
pub mod manifests;
pub mod paths;
#[cfg(feature = "pods")]
pub mod pods;
pub mod records;
mod text;
mod words;

/// The maximum size of a large input, in bytes: that of an object in an API server.
pub const MAX_BYTES: usize = 3 * 1024 * 1024;

/// The uid of every review.
pub const UID: &str = "5f0c-a1";

/// Returns a review that requests to create a pod, which is given as JSON.
#[must_use]
pub fn review(pod: &str) -> String {
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"{UID}","namespace":"shop","operation":"CREATE","object":{pod}}}}}"#
    )
}
