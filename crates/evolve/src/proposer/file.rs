//! A person, or any assistant, as the policy: files in a folder.

use super::{Completion, Proposer, ProposerError, Request, Usage};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Writes `FOLDER/NAME/prompt.md` and waits for `FOLDER/NAME/answer.md`.
///
/// An answer that is there already is taken at once, which is how a killed campaign goes on. An
/// answer may be written in place: it is taken when it has stood unchanged for a second, or at
/// once when it is moved there.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where the requests' folders are made.
    pub folder: PathBuf,
    /// How long to wait for an answer.
    pub patience: Duration,
    /// How often to look.
    pub every: Duration,
}

impl Proposer for Folder {
    fn name(&self) -> String {
        "file".to_owned()
    }

    fn writes_code(&self) -> bool {
        true
    }

    fn propose(&mut self, request: &Request<'_>) -> Result<Completion, ProposerError> {
        let folder = self.folder.join(request.name);
        let fatal =
            |error: std::io::Error| ProposerError::Fatal(format!("{}: {error}", folder.display()));
        fs::create_dir_all(&folder).map_err(fatal)?;
        let draft = folder.join("prompt.md.new");
        fs::write(&draft, request.prompt).map_err(fatal)?;
        fs::rename(&draft, folder.join("prompt.md")).map_err(fatal)?;
        let answer = folder.join("answer.md");
        let start = Instant::now();
        let mut before: Option<String> = fs::read_to_string(&answer).ok();
        loop {
            let now = fs::read_to_string(&answer).ok().filter(|text| !text.trim().is_empty());
            // Whole answers end in the fence of their code block; others may still be written.
            if let Some(text) = &now
                && (before == now || text.trim_end().ends_with("```"))
            {
                return Ok(Completion { text: text.clone(), usage: Usage::default() });
            }
            if start.elapsed() >= self.patience {
                return Err(ProposerError::Timeout(self.patience));
            }
            before = now;
            std::thread::sleep(self.every);
        }
    }
}
