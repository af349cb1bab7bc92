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
}
