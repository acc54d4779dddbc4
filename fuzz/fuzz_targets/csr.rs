//! Requests for certificates: `hack/fuzz csr [SECONDS]`, or `cargo fuzz run csr`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::csr(data));
