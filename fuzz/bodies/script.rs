//! Bytes as a script.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// Takes numbers off the front, zeroes when there are none left.
pub struct Script<'a>(pub &'a [u8]);

impl<'a> Script<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&byte, rest)) => {
                self.0 = rest;
                byte
            }
            None => 0,
        }
    }

    /// A number below `end` (0 where `end` is).
    pub fn below(&mut self, end: usize) -> usize {
        let number = usize::from(self.byte()) << 16 | usize::from(self.byte()) << 8;
        (number | usize::from(self.byte())) % end.max(1)
    }

    /// One of `choices`.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Whether nothing is left.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

/// Numbers that people forget.
const EXTREMES: [u64; 12] = [
    0,
    1,
    0x7f80_0000,
    0x7fc0_0000,
    u32::MAX as u64,
    1 << 31,
    1 << 16,
    1 << 34,
    1 << 60,
    1 << 63,
    u64::MAX - 14,
    u64::MAX,
];

/// Changes `bytes` as the script says: a bit, a number, a piece copied elsewhere, a cut, something added.
pub fn change(script: &mut Script<'_>, bytes: &mut Vec<u8>) {
    let (kind, at) = (script.byte() % 7, script.below(bytes.len()));
    let end = |width: usize| (at + width).min(bytes.len());
    match kind {
        0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (script.byte() % 8)),
        1 | 2 => {
            let extreme = EXTREMES[script.below(EXTREMES.len())].to_le_bytes();
            let width = end(if kind == 1 { 8 } else { 4 }) - at;
            bytes[at..at + width].copy_from_slice(&extreme[..width]);
        }
        3 => {
            let width = end(4) - at;
            let small = (script.below(64) as u32).to_le_bytes();
            bytes[at..at + width].copy_from_slice(&small[..width]);
        }
        4 => bytes.truncate(at),
        5 => bytes.extend(std::iter::repeat_n(script.byte(), script.below(200))),
        _ => {
            let from = script.below(bytes.len());
            let width = (4 << (script.byte() % 4)).min(bytes.len() - at.max(from));
            bytes.copy_within(from..from + width, at);
        }
    }
}

/// A folder of this process for what has to be a file. Whoever drives many processes one after the other
/// sets `TMPDIR` and removes that.
pub fn scratch() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("crinoid-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    })
}

/// A path of this thread alone, whose name ends with `name`.
pub fn path(name: &str) -> PathBuf {
    scratch().join(format!("{:?}-{name}", std::thread::current().id()))
}
