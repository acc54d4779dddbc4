//! Workloads' certificates: the CA's answers, the mesh's roots, and what peers show: `hack/fuzz names [SECONDS]`, or `cargo fuzz run names`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::names(data));
