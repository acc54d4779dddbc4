//! Messages of the control plane: `hack/fuzz messages [SECONDS]`, or `cargo fuzz run messages`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::messages(data));
