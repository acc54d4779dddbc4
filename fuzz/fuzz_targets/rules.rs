//! Traffic rules: `hack/fuzz rules [SECONDS]`, or `cargo fuzz run rules`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::rules(data));
