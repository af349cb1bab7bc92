//! Where a result comes from.

use serde::{Deserialize, Serialize};

/// What must be done, with what, to measure it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// The whole command line.
    pub arguments: Vec<String>,
    /// The commit of the tree that was measured; empty where unknown.
    pub commit: String,
    /// Whether the tree held changes that no commit has.
    pub dirty: bool,
    /// The compiler, in its own words.
    pub rustc: String,
}

impl Origin {
    /// The command as it would be typed.
    pub fn command(&self) -> String {
        let plain = |c: char| c.is_alphanumeric() || "-_./=:,@+~".contains(c);
        let quoted = |word: &String| match !word.is_empty() && word.chars().all(plain) {
            true => word.clone(),
            false => format!("'{}'", word.replace('\'', r"'\''")),
        };
        self.arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")
    }

    /// The same command as others would type it: files by their names, wherever they lay, and nothing of where the
    /// result went.
    #[must_use]
    pub fn for_others(mut self) -> Self {
        if let Some(at) = self.arguments.iter().position(|word| word == "--out") {
            self.arguments.drain(at..(at + 2).min(self.arguments.len()));
        }
        self.arguments.retain(|word| !word.starts_with("--out="));
        for word in &mut self.arguments {
            *word = word.split(' ').map(without_folders).collect::<Vec<_>>().join(" ");
        }
        self
    }
}

/// A path of this machine by its last name, also behind `NAME=`; other words as they are.
fn without_folders(word: &str) -> String {
    let (name, value) = word.split_at(word.rfind('=').map_or(0, |at| at + 1));
    let of_here = value.starts_with(['/', '~']) || value.starts_with("../");
    match value.trim_end_matches('/').rsplit_once('/') {
        Some((_, last)) if of_here => format!("{name}{last}"),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_again() {
        let arguments = ["cargo", "xtask", "ab", "--data", "my set", "it's", ""];
        let origin =
            Origin { arguments: arguments.map(str::to_owned).to_vec(), ..Origin::default() };
        assert_eq!(origin.command(), r"cargo xtask ab --data 'my set' 'it'\''s' ''");
    }

    #[test]
    fn others_are_told_names_of_files_and_not_where_they_lay() {
        let typed = "ab --data ../sets/sift.hdf5 --recipe sq8@2/crinoid@1/pipelined@4/float@1 --out /tmp/here";
        let mut arguments: Vec<String> = typed.split(' ').map(str::to_owned).collect();
        arguments.push("--subject=mine=/home/me/bin/mine --data ~/sets/a.fbin".to_owned());
        let origin = Origin { arguments, ..Origin::default() }.for_others();
        assert_eq!(
            origin.arguments[..5].join(" "),
            "ab --data sift.hdf5 --recipe sq8@2/crinoid@1/pipelined@4/float@1"
        );
        assert_eq!(origin.arguments[5..], ["--subject=mine=mine --data a.fbin"]);
    }
}
