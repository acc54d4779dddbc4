//! Answers of collectors of spans: `hack/fuzz answers [SECONDS]`, or `cargo fuzz run answers`.
#![no_main]
#![allow(unsafe_code)] // the macro's exported function

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::answers(data));
