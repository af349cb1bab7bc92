//! See `bodies/names.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: crinoid_fuzz::hook::install(), |data: &[u8]| {
    let _ = crinoid_fuzz::names::run(data);
});
