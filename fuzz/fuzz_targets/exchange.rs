//! A client, the proxy and its servers: `hack/fuzz exchange [SECONDS]`, or `cargo fuzz run exchange`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::exchange(data));
