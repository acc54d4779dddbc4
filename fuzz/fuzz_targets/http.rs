//! The bytes of a connection: `hack/fuzz http [SECONDS]`, or `cargo fuzz run http`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::http(data));
