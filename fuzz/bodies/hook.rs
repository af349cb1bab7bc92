//! Which panics end a target.

/// Libraries beneath ours may panic on damaged files, which ours catch and turn into errors; libFuzzer's own
/// hook would count that as a crash. A panic in our code counts wherever it happens, caught or not, and any that
/// nobody catches does, too.
pub fn install() {
    std::panic::set_hook(Box::new(|panic| {
        let foreign = |file: &str| file.contains("/registry/src/") || file.starts_with("/rustc/");
        if !panic.location().is_some_and(|place| foreign(place.file())) {
            eprintln!("{panic}\n{}", std::backtrace::Backtrace::force_capture());
            std::process::abort();
        }
    }));
}
