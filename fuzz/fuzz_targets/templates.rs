//! The text of a template: `hack/fuzz templates [SECONDS]`, or `cargo fuzz run templates`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::templates(data));
