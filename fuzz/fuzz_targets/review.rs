//! Any bytes as a review: `hack/fuzz review [SECONDS]`, or `cargo fuzz run review`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::review(data));
