//! The webhook's path after /inject/: `hack/fuzz path_env [SECONDS]`, or `cargo fuzz run path_env`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::path_env(data));
