//! See `bodies/collection.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: crinoid_fuzz::hook::install(), |data: &[u8]| {
    let _ = crinoid_fuzz::collection::run(data);
});
