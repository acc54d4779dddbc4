//! Requests of HTTP/2 to a server of HTTP/1: `hack/fuzz mapping [SECONDS]`, or `cargo fuzz run mapping`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::mapping(data));
