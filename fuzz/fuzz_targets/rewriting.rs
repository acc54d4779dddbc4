//! What the proxy changes of heads: `hack/fuzz rewriting [SECONDS]`, or `cargo fuzz run rewriting`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::rewriting(data));
