//! Which core a subject runs on.

/// Pins all threads of a process to `core`, or frees them; `false` where that cannot be done.
#[cfg(target_os = "linux")]
pub(super) fn pin(pid: u32, core: Option<usize>) -> bool {
    use rustix::thread::{CpuSet, Pid, sched_setaffinity};
    let mut cores = CpuSet::new();
    match core {
        Some(core) => cores.set(core),
        None => (0..CpuSet::MAX_CPU).for_each(|core| cores.set(core)),
    }
    // A thread can end between being listed and being pinned; it needs no core any more. A thread
    // that is born meanwhile inherits the core of the one that started it.
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let mut pinned = false;
    for thread in threads.into_iter().flatten().flatten() {
        let id = thread.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(id) = id.and_then(Pid::from_raw) else { return false };
        match sched_setaffinity(Some(id), &cores) {
            Ok(()) => pinned = true,
            Err(rustix::io::Errno::SRCH) => {}
            Err(_) => return false,
        }
    }
    pinned
}

/// Keeps this process on the other cores than `core`, which stays for what is measured; `false` where that
/// cannot be done.
#[cfg(target_os = "linux")]
pub fn keep_off(core: usize) -> bool {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(mut cores) = sched_getaffinity(None) else { return false };
    cores.unset(core.min(CpuSet::MAX_CPU - 1));
    sched_setaffinity(None, &cores).is_ok()
}

/// Only Linux lets a process choose where it runs.
#[cfg(not(target_os = "linux"))]
pub fn keep_off(_core: usize) -> bool {
    false
}

/// Only Linux lets a process choose where others run.
#[cfg(not(target_os = "linux"))]
pub(super) fn pin(_pid: u32, _core: Option<usize>) -> bool {
    false
}
