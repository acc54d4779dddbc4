//! Responses of HTTP/2 to a client of HTTP/1: `hack/fuzz responses [SECONDS]`, or `cargo fuzz run responses`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::responses(data));
