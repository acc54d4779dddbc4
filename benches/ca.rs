//! Certificates of workloads without a server: the CPU time of a `CreateCertificate` on the threads that sign.
//!
//! `cargo bench --bench ca`; the number of certificates per second is that of one core.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pillion_certs::{
    Authority, Bundle, CertificateRequest, Issuer, SpiffeId, mesh::WorkloadKey, verify_workload,
};
use pillion_envoy_api::istio::v1::auth::IstioCertificateResponse;
use prost::Message as _;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use time::{Duration, OffsetDateTime};

/// The binary's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn benches(criterion: &mut Criterion) {
    let (now, day) = (OffsetDateTime::now_utc(), Duration::DAY);
    let authority = Authority::generate("mesh", now, day * 2).expect("a CA");
    let roots = Bundle::from_pem(authority.certificate()).expect("roots");
    let issuer = Issuer::from_pem(authority.certificate(), authority.key()).expect("a CA");
    let id = SpiffeId::new("cluster.local", "shop", "web").expect("an identity");
    let csr = WorkloadKey::generate()
        .and_then(|key| key.request())
        .expect("a request");
    let issue = |csr: &str| {
        let request = CertificateRequest::from_pem(csr).expect("a request");
        issuer
            .issue(&request, &id, now, day)
            .expect("a certificate")
    };
    let issued = issue(&csr);
    let chain: Vec<_> = issued
        .chain
        .iter()
        .map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate"))
        .collect();

    let mut group = criterion.benchmark_group("ca");
    group.throughput(Throughput::Elements(1));
    // What a request with a token costs once that is known.
    group.bench_function("create", |bencher| {
        bencher.iter(|| {
            let mut cert_chain = issue(black_box(&csr)).chain;
            cert_chain.push(roots.to_pem());
            IstioCertificateResponse { cert_chain }.encode_to_vec()
        });
    });
    // What a certificate that proves who asks costs besides.
    group.bench_function("verify", |bencher| {
        bencher.iter(|| verify_workload(black_box(&chain), &roots, "cluster.local", now));
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
