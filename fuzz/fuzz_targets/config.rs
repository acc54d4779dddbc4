//! The keys of the ConfigMaps: `hack/fuzz config [SECONDS]`, or `cargo fuzz run config`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::config(data));
