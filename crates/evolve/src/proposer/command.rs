//! A program as the policy.

use super::{Completion, Proposer, ProposerError, Request, Usage};
use crate::answer::LIMIT;
use crate::candidate::package::{OwnGroup as _, kill_group};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Starts a program per request, writes the prompt to its stdin and takes its stdout as the
/// answer. It is started as it is, not through a shell, and outside any sandbox: the program is
/// the user's own choice, its answers are what is not trusted.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program and its arguments. The request's name follows in the variable
    /// `CRINOID_REQUEST`.
    pub command: Vec<OsString>,
    /// How long it may take.
    pub patience: Duration,
}

impl Proposer for Program {
    fn name(&self) -> String {
        let words: Vec<_> = self.command.iter().map(|word| word.to_string_lossy()).collect();
        format!("command:{}", words.join(" "))
    }

    fn writes_code(&self) -> bool {
        true
    }

    fn propose(&mut self, request: &Request<'_>) -> Result<Completion, ProposerError> {
        let [program, arguments @ ..] = self.command.as_slice() else {
            return Err(ProposerError::Fatal("no command is given".to_owned()));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .env("CRINOID_REQUEST", request.name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .group()
            .spawn()
            .map_err(|error| {
                ProposerError::Fatal(format!("{}: {error}", program.to_string_lossy()))
            })?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let prompt = request.prompt.to_owned();
        // A program that answers without reading must not stop us, so both go on by themselves.
        std::thread::spawn(move || {
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(prompt.as_bytes());
            }
        });
        let (sender, done) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut stdout) = stdout {
                let _ = stdout.by_ref().take(LIMIT as u64 + 1).read_to_end(&mut text);
                let _ = std::io::copy(&mut stdout, &mut std::io::sink());
            }
            let _ = sender.send(text);
        });
        let Ok(text) = done.recv_timeout(self.patience) else {
            kill_group(&mut child);
            return Err(ProposerError::Timeout(self.patience));
        };
        let status = child.wait();
        if !status.as_ref().is_ok_and(|status| status.success()) {
            let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            return Err(ProposerError::Unusable(format!("the command ended with {how}")));
        }
        let text = String::from_utf8(text);
        let text = text.map_err(|_| ProposerError::Unusable("the answer is not UTF-8".into()))?;
        Ok(Completion { text, usage: Usage::default() })
    }
}
