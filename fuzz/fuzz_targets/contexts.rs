//! Contexts of traces: `hack/fuzz contexts [SECONDS]`, or `cargo fuzz run contexts`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::contexts(data));
