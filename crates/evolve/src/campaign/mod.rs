//! The loop: propose, judge, learn; module by module, from the last champion (section 3.1).
//!
//! Everything that happens is an event in a journal before it has an effect, and whatever is
//! not in the journal is a pure function of it: policies are replayed from the rewards, prompts
//! from the database and the seed. A campaign that was killed at any moment therefore goes on
//! where it stopped; at most the candidate at hand is judged again.
//!
//! | file | what is in it |
//! |---|---|
//! | `event_log.rs` | the events and their journal |
//! | `rollouts.rs` | [`Rollout`]: what trainers read |
//! | `finalists.rs` | who is put to the gate |

mod event_log;
mod finalists;
mod rollouts;

pub use event_log::trials;
pub use rollouts::Rollout;

use crate::answer;
use crate::exemplar::{Database, DatabaseError, Exemplar, Form, GateResult, Value};
use crate::journal::JournalError;
use crate::judge::{Judge, JudgeError, Judgement};
use crate::module::Module;
use crate::prompt::Task;
use crate::proposer::{Completion, Earned, Proposer, ProposerError, Request, Usage};
use crate::random::Stream;
use crate::reward::{Failure, Smoother};
use event_log::{Event, EventLog, Place};
use finalists::finalists;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The settings of a campaign. They are written down when it begins; resuming with others is an
/// error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Modules, in the order in which they are optimised.
    pub modules: Vec<Module>,
    /// Groups per module.
    pub rounds: u32,
    /// Candidates per group.
    pub group: u32,
    /// Answers that may be mended after what was wrong is told back.
    pub mend: u32,
    /// Exemplars per prompt.
    pub exemplars: usize,
    /// Temperature of equation 1.
    pub temperature: f64,
    /// Candidates per module that are put to the full gate, best first.
    pub finalists: usize,
    /// Seed of everything random.
    pub seed: u64,
    /// Name of the proposer.
    pub proposer: String,
    /// What is measured on, in words; a campaign is not resumed on other data.
    pub measured_on: String,
}

/// One judged answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The module.
    pub module: Module,
    /// The round, from 0.
    pub round: u32,
    /// The place within the group.
    pub index: u32,
    /// 0, or how often it was mended.
    pub attempt: u32,
    /// The prompt; empty for proposers that read none.
    pub prompt: String,
    /// The answer.
    pub completion: String,
    /// Digests of the exemplars in the prompt.
    pub parents: Vec<String>,
    /// Digest of the candidate, if there was one.
    pub digest: Option<String>,
    /// What was found out.
    pub judgement: Judgement,
    /// Tokens paid.
    pub usage: Usage,
}

/// What became of one module.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The module.
    pub module: Module,
    /// The candidate that replaced the champion, if any did.
    pub adopted: Option<Form>,
    /// The gate's answers, in the order asked.
    pub gated: Vec<(String, GateResult)>,
    /// The champion's reward per data set afterwards.
    pub standing: BTreeMap<String, f64>,
}

/// A whole campaign's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The champion's rewards before anything.
    pub start: BTreeMap<String, f64>,
    /// Module by module.
    pub outcomes: Vec<Outcome>,
    /// Every trial, in order.
    pub trials: Vec<Trial>,
    /// Tokens paid for.
    pub usage: Usage,
}

/// A campaign cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CampaignError {
    /// Its files do not cooperate.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its database does not.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The laboratory failed.
    #[error("the laboratory: {0}")]
    Judge(#[from] JudgeError),
    /// The proposer will not answer again.
    #[error("the proposer: {0}")]
    Proposer(String),
    /// The folder's campaign was begun by a program with other knobs or another policy.
    #[error(
        "{folder}: `{name}` was proposed by a policy that this program does not have; choose another \
         folder, or remove it"
    )]
    Diverged {
        /// The campaign.
        folder: PathBuf,
        /// The first proposal that differs.
        name: String,
    },
    /// The folder holds another campaign.
    #[error("{0} holds a campaign with other settings; choose another folder, or remove it")]
    Settings(PathBuf),
}

/// Told what happens, for people to watch.
pub trait Watch {
    /// A trial was judged.
    fn tried(&mut self, trial: &Trial);
    /// How far the gate is.
    fn gating(&mut self, what: &str);
    /// The gate has answered.
    fn gated(&mut self, module: Module, digest: &str, result: &GateResult);
}

/// Watches nothing.
impl Watch for () {
    fn tried(&mut self, _trial: &Trial) {}
    fn gating(&mut self, _what: &str) {}
    fn gated(&mut self, _module: Module, _digest: &str, _result: &GateResult) {}
}

/// Everything a campaign works with.
pub struct Campaign<'a> {
    /// The settings.
    pub settings: Settings,
    /// Where journal and rollouts lie.
    pub folder: PathBuf,
    /// The exemplars.
    pub database: &'a mut Database,
    /// The laboratory.
    pub judge: &'a mut dyn Judge,
    /// What is asked of proposers that write code, by module.
    pub tasks: &'a dyn Fn(Module) -> Task,
    /// The proposer of a module.
    pub proposer: &'a mut dyn FnMut(Module) -> Box<dyn Proposer>,
    /// Who watches.
    pub watch: &'a mut dyn Watch,
}

impl Campaign<'_> {
    /// Runs the campaign, or what is left of it, to its end.
    ///
    /// # Errors
    /// See [`CampaignError`]; all that was judged so far is kept.
    pub fn run(&mut self) -> Result<Report, CampaignError> {
        let mut log = EventLog::open(&self.folder)?;
        match log.replay(|event| match event {
            Event::Began(settings) => Some(settings.clone()),
            _ => None,
        }) {
            Some(settings) if settings == self.settings => {}
            Some(_) => return Err(CampaignError::Settings(self.folder.clone())),
            None => log.record(&Event::Began(self.settings.clone()))?,
        }
        let start = match log.replay(|event| match event {
            Event::Stood(standing) => Some(standing.clone()),
            _ => None,
        }) {
            Some(standing) => standing,
            None => {
                let standing = self.judge.standing()?;
                log.record(&Event::Stood(standing.clone()))?;
                standing
            }
        };
        let mut report =
            Report { start, outcomes: Vec::new(), trials: Vec::new(), usage: Usage::default() };
        for module in self.settings.modules.clone() {
            let outcome = self.module(module, &mut log, &mut report)?;
            report.outcomes.push(outcome);
        }
        Ok(report)
    }

    fn module(
        &mut self,
        module: Module,
        log: &mut EventLog,
        report: &mut Report,
    ) -> Result<Outcome, CampaignError> {
        let mut proposer = (self.proposer)(module);
        let mut smoother = Smoother::default();
        let first = report.trials.len();
        for round in 0..self.settings.rounds {
            let stream = Stream::new(self.settings.seed).fork(module as u64).fork(round.into());
            // The same for a whole group, as equation 2 wants it, even where the group was begun before
            // a kill and the database has grown since.
            let begun = log.upcoming(Place { module, round, index: 0, attempt: 0 });
            let (prompt, parents) = match begun {
                Some(trial) => (trial.prompt.clone(), trial.parents.clone()),
                None => self.prompt(module, proposer.writes_code(), stream, None),
            };
            let mut group: Vec<Trial> = Vec::new();
            for index in 0..self.settings.group {
                let mut feedback = None;
                for attempt in 0..=self.settings.mend {
                    let place = Place { module, round, index, attempt };
                    let (text, parents) = match feedback.take() {
                        None => (prompt.clone(), parents.clone()),
                        Some(what) => {
                            let what: String = what;
                            self.prompt(module, proposer.writes_code(), stream, Some(&what))
                        }
                    };
                    let trial = self.attempt(&mut *proposer, place, &text, parents, stream, log)?;
                    report.usage += trial.usage;
                    feedback = mendable(&trial.judgement).filter(|_| proposer.writes_code());
                    if attempt == 0 {
                        group.push(trial.clone());
                    }
                    report.trials.push(trial);
                    if feedback.is_none() {
                        break;
                    }
                }
            }
            let rewards: Vec<f64> = group.iter().map(|trial| trial.judgement.reward()).collect();
            // The policy is trained on the smoothed rewards (section 3.4).
            let smoothed = smoother.smooth_group(&rewards);
            let earned: Vec<Earned<'_>> = group
                .iter()
                .zip(&smoothed)
                .map(|(trial, &reward)| Earned { completion: &trial.completion, reward })
                .collect();
            proposer.learn(&earned);
            rollouts::write(&self.folder, &group, &rewards, &smoothed)?;
        }
        let before = report.outcomes.last().map_or(&report.start, |last| &last.standing);
        self.end(module, &*proposer, &report.trials[first..], before, log)
    }

    /// The prompt of a round, and the digests of the exemplars in it.
    fn prompt(
        &self,
        module: Module,
        code: bool,
        stream: Stream,
        feedback: Option<&str>,
    ) -> (String, Vec<String>) {
        if !code {
            return (String::new(), Vec::new());
        }
        let Settings { temperature, exemplars, .. } = self.settings;
        let drawn =
            self.database.sample(module, true, temperature, exemplars, stream.fork(u64::MAX));
        let parents = drawn.iter().map(|exemplar| exemplar.digest.clone()).collect();
        ((self.tasks)(module).prompt(&drawn, feedback), parents)
    }

    fn attempt(
        &mut self,
        proposer: &mut dyn Proposer,
        place: Place,
        prompt: &str,
        parents: Vec<String>,
        stream: Stream,
        log: &mut EventLog,
    ) -> Result<Trial, CampaignError> {
        let Place { module, round, index, attempt } = place;
        let name = format!("{module}-r{round:02}-i{index}-a{attempt}");
        let stream = stream.fork(u64::from(index) << 32 | u64::from(attempt));
        let request = Request { prompt, name: &name, stream };
        if let Some(trial) = log.replay(|event| match event {
            Event::Tried(trial) if place.is_of(trial) => Some(trial.clone()),
            _ => None,
        }) {
            // A policy over knobs proposes the same again, or it is not the one that was killed.
            if !proposer.writes_code()
                && proposer.propose(&request).is_ok_and(|again| again.text != trial.completion)
            {
                return Err(CampaignError::Diverged { folder: self.folder.clone(), name });
            }
            self.watch.tried(&trial);
            return Ok(trial);
        }
        let answer = proposer.propose(&request);
        let (completion, judgement, form) = match answer {
            Err(ProposerError::Fatal(why)) => return Err(CampaignError::Proposer(why)),
            Err(error) => {
                let none = Completion { text: String::new(), usage: Usage::default() };
                (none, Judgement::failed(Failure::NoAnswer(error.to_string())), None)
            }
            Ok(completion) => match read(&completion.text, proposer.writes_code()) {
                Err(failure) => (completion, Judgement::failed(failure), None),
                Ok((form, design)) => {
                    let judgement = self.judge.judge(module, &form)?;
                    (completion, judgement, Some((form, design)))
                }
            },
        };
        let trial = Trial {
            module,
            round,
            index,
            attempt,
            prompt: prompt.to_owned(),
            completion: completion.text,
            parents: parents.clone(),
            digest: form.as_ref().map(|(form, _)| form.digest(module)),
            judgement,
            usage: completion.usage,
        };
        // The database first: a crash between the two costs a second measurement, no exemplar.
        if let Some((form, design)) = form
            && trial.judgement.reward() > 0.0
        {
            self.database.insert(Exemplar {
                digest: form.digest(module),
                module,
                title: title(&design),
                form,
                scores: trial.judgement.scores.clone(),
                fitness: trial.judgement.reward(),
                champion: self.judge.champion(),
                gate: None,
                parents,
                proposer: proposer.name(),
                note: design,
            })?;
        }
        log.record(&Event::Tried(trial.clone()))?;
        self.watch.tried(&trial);
        Ok(trial)
    }

    /// Puts the best candidates to the full gate; the first that ships becomes the champion, whose
    /// standing was `before`.
    fn end(
        &mut self,
        module: Module,
        proposer: &dyn Proposer,
        trials: &[Trial],
        before: &BTreeMap<String, f64>,
        log: &mut EventLog,
    ) -> Result<Outcome, CampaignError> {
        let mut gated: Vec<(String, GateResult)> = Vec::new();
        let mut adopted = None;
        let changes = |completion: &str| !proposer.is_champion(completion);
        for digest in finalists(trials, self.settings.finalists, changes) {
            let Ok(exemplar) = self.database.find(&digest).cloned() else { continue };
            let result = match log.replay(|event| match event {
                Event::Gated { digest: of, result, .. } if *of == digest => Some(result.clone()),
                _ => None,
            }) {
                Some(result) => result,
                None => {
                    let mut watch = |what: &str| self.watch.gating(what);
                    let result = self.judge.gate(module, &exemplar.form, &mut watch)?;
                    let gate = Some(result.clone());
                    self.database.insert(Exemplar { gate, ..exemplar.clone() })?;
                    let event =
                        Event::Gated { module, digest: digest.clone(), result: result.clone() };
                    log.record(&event)?;
                    result
                }
            };
            self.watch.gated(module, &digest, &result);
            let ships = result.ships();
            gated.push((digest, result));
            if ships {
                adopted = Some(exemplar.form);
                break;
            }
        }
        if let Some(form) = &adopted {
            self.judge.adopt(module, form)?;
        }
        let standing = match log.replay(|event| match event {
            Event::Ended { module: of, standing, .. } if *of == module => Some(standing.clone()),
            _ => None,
        }) {
            Some(standing) => standing,
            None => {
                let standing = match &adopted {
                    Some(_) => self.judge.standing()?,
                    // A second measurement of the same would pass for a gain, or a loss.
                    None => before.clone(),
                };
                let event =
                    Event::Ended { module, adopted: adopted.clone(), standing: standing.clone() };
                log.record(&event)?;
                standing
            }
        };
        Ok(Outcome { module, adopted, gated, standing })
    }
}

/// An answer as a candidate, and the design in the proposer's words.
fn read(text: &str, code: bool) -> Result<(Form, String), Failure> {
    if code {
        let answer = answer::parse(text).map_err(|error| Failure::Malformed(error.to_string()))?;
        return Ok((Form::Code(answer.code), answer.design));
    }
    let values: BTreeMap<String, Value> =
        serde_json::from_str(text).map_err(|error| Failure::Malformed(error.to_string()))?;
    Ok((Form::Knobs(values), String::new()))
}

/// What is told back, for failures that an answer can mend.
fn mendable(judgement: &Judgement) -> Option<String> {
    match judgement.failure.as_ref()? {
        Failure::NoAnswer(_) => None,
        failure => Some(failure.to_string()),
    }
}

/// The first line of a design without its number, as a title.
fn title(design: &str) -> String {
    let line = design.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    let line = line.trim().trim_start_matches(|c: char| c.is_ascii_digit());
    line.trim_start_matches(['.', ')', ' ']).chars().take(80).collect()
}

#[cfg(test)]
mod tests;
