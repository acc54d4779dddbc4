//! Pods with made-up records of an injection: `hack/fuzz uninject [SECONDS]`, or `cargo fuzz run uninject`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::uninject(data));
