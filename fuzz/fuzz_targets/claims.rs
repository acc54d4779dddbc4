//! What tokens say themselves: `hack/fuzz claims [SECONDS]`, or `cargo fuzz run claims`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::claims(data));
