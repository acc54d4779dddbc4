//! Hostile input for what reads foreign bytes: small pods that are spoiled,
//! and large ones that are made of few bytes.
//!
//! Nothing here knows of the injector, of a fuzzer or of a meter, so that tests,
//! benches and fuzz targets can have it alike.

pub mod annotations;
pub mod cases;
pub mod configs;
pub mod connections;
pub mod large;
pub mod manifests;
pub mod paths;
#[cfg(feature = "pods")]
pub mod pods;
pub mod records;
pub mod spoiled;
mod text;
mod words;

/// The most bytes that a large input is made of: what an API server takes of an
/// object.
pub const MOST: usize = 3 * 1024 * 1024;

/// The uid of every review here.
pub const UID: &str = "5f0c-a1";

/// The review that asks for a pod, which is given as JSON.
#[must_use]
pub fn review(pod: &str) -> String {
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"{UID}","namespace":"shop","operation":"CREATE","object":{pod}}}}}"#
    )
}
