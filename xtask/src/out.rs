//! Printing to readers that may leave early: `cargo xtask ... | head`.
//!
//! The standard macros panic once nobody reads. Here what nobody reads is not printed, and the
//! command goes on: its files and its exit code are still wanted. Declared before all other modules, these take
//! the names of the standard macros in every one of them.

use std::{fmt::Arguments, io::Write};

/// `print!`, to whoever still reads.
macro_rules! print {
    ($($words:tt)+) => {
        $crate::out::write(std::io::stdout().lock(), format_args!($($words)+))
    };
}

/// `println!`, to whoever still reads.
macro_rules! println {
    ($($words:tt)+) => {
        $crate::out::line(std::io::stdout().lock(), format_args!($($words)+))
    };
}

/// `eprintln!`, to whoever still reads.
macro_rules! eprintln {
    ($($words:tt)+) => {
        $crate::out::line(std::io::stderr().lock(), format_args!($($words)+))
    };
}

/// Fails only where nobody reads any more, and then there is nobody to tell.
pub(crate) fn write(mut to: impl Write, words: Arguments<'_>) {
    let _ = to.write_fmt(words);
}

/// The same with the end of the line.
pub(crate) fn line(mut to: impl Write, words: Arguments<'_>) {
    let _ = to.write_fmt(format_args!("{words}\n"));
}

/// An error and its causes, each once: many of ours say their cause themselves.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |words, cause| {
        let cause = cause.to_string();
        match words.as_str() {
            "" => cause,
            said if said.ends_with(&cause) => words,
            _ => format!("{words}: {cause}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::chain;
    use anyhow::Context;

    #[test]
    fn a_cause_is_named_once() {
        let gone = || std::fs::read("/nowhere/at/all").map(drop);
        let bare = gone().unwrap_err().to_string();
        let said = gone().with_context(|| format!("a.hdf5: {bare}")).unwrap_err();
        assert_eq!(chain(&said), format!("a.hdf5: {bare}"));
        let told = gone().context("reading a.hdf5").unwrap_err();
        assert_eq!(chain(&told), format!("reading a.hdf5: {bare}"));
    }
}
