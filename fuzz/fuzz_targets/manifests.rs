//! Manifests, as kube-inject and kube-uninject read them: `hack/fuzz manifests [SECONDS]`, or `cargo fuzz run manifests`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::manifests(data));
