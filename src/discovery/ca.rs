//! The mesh's CA as Istio's service `istio.v1.auth.IstioCertificateService`: it issues the certificates of
//! workloads.
//!
//! A certificate is built from the identity that its caller proves ([`requester`]) and from the public key
//! of the request alone. What a request says besides, by the names in it or by its metadata, is not looked
//! at, so there is no way to ask for somebody else's.
//!
//! ```text
//! grpc ──► service ──► requester ──► rates ──► body ──► threads ──► answer
//!          places      token, or      each     64 KiB   CSR, sign
//!          in all      certificate    pod
//! ```

mod audit;
mod feed;
mod lifetimes;
mod rates;
mod refusal;
mod requester;
mod response;
mod service;
mod signing;

pub(super) use self::{
    feed::feed,
    lifetimes::Lifetimes,
    requester::Tokens,
    service::{CREATE, Ca},
    signing::Signing,
};
