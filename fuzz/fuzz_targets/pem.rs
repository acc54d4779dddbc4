//! Certificates, keys and bundles: `hack/fuzz pem [SECONDS]`, or `cargo fuzz run pem`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::pem(data));
