//! What tells protocols apart: `hack/fuzz sniff [SECONDS]`, or `cargo fuzz run sniff`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::sniff(data));
