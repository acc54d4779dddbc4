//! What an Envoy asks its agent for: `hack/fuzz secrets [SECONDS]`, or `cargo fuzz run secrets`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::secrets(data));
