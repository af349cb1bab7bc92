//! rollouts.jsonl: what a trainer of language models reads.

use super::Trial;
use crate::journal::JournalError;
use crate::knobs::advantages;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A line of rollouts.jsonl.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// Rollouts of one group share a prompt and are normalised together.
    pub group: String,
    /// The prompt.
    pub prompt: String,
    /// The answer.
    pub completion: String,
    /// The reward; 0 for whatever failed.
    pub reward: f64,
    /// Normalised by running mean and deviation, clipped to 1.5 deviations.
    pub smoothed: f64,
    /// Group-normalised smoothed reward (equation 2).
    pub normalised: f64,
}

/// Appends a group to the file in `folder`, once: a group that is there already is left alone.
pub(super) fn write(
    folder: &Path,
    group: &[Trial],
    rewards: &[f64],
    smoothed: &[f64],
) -> Result<(), JournalError> {
    let Some(Trial { module, round, .. }) = group.first() else { return Ok(()) };
    let path = folder.join("rollouts.jsonl");
    let name = format!("{module}-r{round:02}");
    let normalised = advantages(smoothed);
    let line = |(at, trial): (usize, &Trial)| Rollout {
        group: name.clone(),
        prompt: trial.prompt.clone(),
        completion: trial.completion.clone(),
        reward: rewards[at],
        smoothed: smoothed[at],
        normalised: normalised[at],
    };
    let lines: Vec<Rollout> = group.iter().enumerate().map(line).collect();
    append(&path, &name, &lines).map_err(|source| JournalError::Io { path: path.clone(), source })
}

/// Plain JSON lines, for other people's programs: no checksums, but the same care for a torn end.
fn append(path: &Path, name: &str, lines: &[Rollout]) -> std::io::Result<()> {
    let old = std::fs::read_to_string(path).unwrap_or_default();
    let whole = &old[..old.rfind('\n').map_or(0, |end| end + 1)];
    let of_group = |line: &&str| {
        serde_json::from_str::<Rollout>(line).is_ok_and(|rollout| rollout.group == name)
    };
    if whole.lines().filter(of_group).count() == lines.len() && whole.len() == old.len() {
        return Ok(());
    }
    let mut text: String =
        whole.lines().filter(|line| !of_group(line)).map(|line| format!("{line}\n")).collect();
    for line in lines {
        text.push_str(&serde_json::to_string(line)?);
        text.push('\n');
    }
    let draft = path.with_extension("jsonl.new");
    std::fs::write(&draft, text)?;
    std::fs::rename(draft, path)
}
