//! The proxy's HTTP/1 codec: `hack/fuzz http1 [SECONDS]`, or `cargo fuzz run http1`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::http1(data));
