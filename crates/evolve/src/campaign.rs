//! The loop: propose, judge, learn; module by module, from the last champion (section 3.1).
//!
//! Everything that happens is an event in a journal before it has an effect, and whatever is
//! not in the journal is a pure function of it: policies are replayed from the rewards, prompts
//! from the database and the seed. A campaign that was killed at any moment therefore goes on
//! where it stopped; at most the candidate at hand is judged again.

use crate::answer;
use crate::exemplar::{Database, DatabaseError, Exemplar, Form, GateResult, Value};
use crate::journal::{self, Journal, JournalError};
use crate::judge::{Judge, JudgeError, Judgement};
use crate::knobs::advantages;
use crate::module::Module;
use crate::prompt::Task;
use crate::proposer::{Completion, Earned, Proposer, ProposerError, Request, Usage};
use crate::random::Stream;
use crate::reward::{Failure, Smoother};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Began(Settings),
    Tried(Trial),
    Gated { module: Module, digest: String, result: GateResult },
    Ended { module: Module, adopted: Option<Form>, standing: BTreeMap<String, f64> },
    Stood(BTreeMap<String, f64>),
}

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
    /// The folder holds another campaign.
    #[error("{0} holds a campaign with other settings; choose another folder, or remove it")]
    Settings(PathBuf),
}

/// Told what happens, for people to watch.
pub trait Watch {
    /// A trial was judged.
    fn tried(&mut self, trial: &Trial);
    /// The gate has answered.
    fn gated(&mut self, module: Module, digest: &str, result: &GateResult);
}

/// Watches nothing.
impl Watch for () {
    fn tried(&mut self, _trial: &Trial) {}
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

/// The journal of events, read up to a point and written from there on.
struct Tape {
    journal: Journal,
    past: std::vec::IntoIter<Event>,
}

impl Tape {
    /// The next thing that happened before, if it is of the kind looked for.
    fn replay<T>(&mut self, pick: impl FnOnce(&Event) -> Option<T>) -> Option<T> {
        let found = pick(self.past.as_slice().first()?);
        if found.is_some() {
            self.past.next();
        }
        found
    }

    fn record(&mut self, event: &Event) -> Result<(), JournalError> {
        self.journal.append(event)
    }
}

impl Campaign<'_> {
    /// Runs the campaign, or what is left of it, to its end.
    ///
    /// # Errors
    /// See [`CampaignError`]; all that was judged so far is kept.
    pub fn run(&mut self) -> Result<Report, CampaignError> {
        let (journal, contents) = Journal::open::<Event>(&self.folder.join("journal.jsonl"))?;
        let mut tape = Tape { journal, past: contents.records.into_iter() };
        match tape.replay(|event| match event {
            Event::Began(settings) => Some(settings.clone()),
            _ => None,
        }) {
            Some(settings) if settings == self.settings => {}
            Some(_) => return Err(CampaignError::Settings(self.folder.clone())),
            None => tape.record(&Event::Began(self.settings.clone()))?,
        }
        let start = match tape.replay(|event| match event {
            Event::Stood(standing) => Some(standing.clone()),
            _ => None,
        }) {
            Some(standing) => standing,
            None => {
                let standing = self.judge.standing()?;
                tape.record(&Event::Stood(standing.clone()))?;
                standing
            }
        };
        let mut report =
            Report { start, outcomes: Vec::new(), trials: Vec::new(), usage: Usage::default() };
        for module in self.settings.modules.clone() {
            let outcome = self.module(module, &mut tape, &mut report)?;
            report.outcomes.push(outcome);
        }
        Ok(report)
    }

    fn module(
        &mut self,
        module: Module,
        tape: &mut Tape,
        report: &mut Report,
    ) -> Result<Outcome, CampaignError> {
        let mut proposer = (self.proposer)(module);
        let mut smoother = Smoother::default();
        let first = report.trials.len();
        for round in 0..self.settings.rounds {
            let stream = Stream::new(self.settings.seed).fork(module as u64).fork(round.into());
            let (prompt, parents) = self.prompt(module, proposer.writes_code(), stream, None);
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
                    let trial =
                        self.attempt(&mut *proposer, place, &text, parents, stream, tape)?;
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
            self.write_rollouts(module, round, &group, &rewards, &smoothed)?;
        }
        self.end(module, &report.trials[first..], tape)
    }

    /// The prompt of a round: the same for a whole group, as equation 2 wants it.
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
        tape: &mut Tape,
    ) -> Result<Trial, CampaignError> {
        if let Some(trial) = tape.replay(|event| match event {
            Event::Tried(trial) if place.is_of(trial) => Some(trial.clone()),
            _ => None,
        }) {
            self.watch.tried(&trial);
            return Ok(trial);
        }
        let Place { module, round, index, attempt } = place;
        let name = format!("{module}-r{round:02}-i{index}-a{attempt}");
        let stream = stream.fork(u64::from(index) << 32 | u64::from(attempt));
        let answer = proposer.propose(&Request { prompt, name: &name, stream });
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
        tape.record(&Event::Tried(trial.clone()))?;
        self.watch.tried(&trial);
        Ok(trial)
    }

    /// Puts the best candidates to the full gate; the first that ships becomes the champion.
    fn end(
        &mut self,
        module: Module,
        trials: &[Trial],
        tape: &mut Tape,
    ) -> Result<Outcome, CampaignError> {
        let mut gated: Vec<(String, GateResult)> = Vec::new();
        let mut adopted = None;
        for (digest, _) in finalists(trials, self.settings.finalists) {
            let Ok(exemplar) = self.database.find(&digest).cloned() else { continue };
            let result = match tape.replay(|event| match event {
                Event::Gated { digest: of, result, .. } if *of == digest => Some(result.clone()),
                _ => None,
            }) {
                Some(result) => result,
                None => {
                    let result = self.judge.gate(module, &exemplar.form)?;
                    let gate = Some(result.clone());
                    self.database.insert(Exemplar { gate, ..exemplar.clone() })?;
                    let event =
                        Event::Gated { module, digest: digest.clone(), result: result.clone() };
                    tape.record(&event)?;
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
        let standing = match tape.replay(|event| match event {
            Event::Ended { module: of, standing, .. } if *of == module => Some(standing.clone()),
            _ => None,
        }) {
            Some(standing) => standing,
            None => {
                let standing = self.judge.standing()?;
                let event =
                    Event::Ended { module, adopted: adopted.clone(), standing: standing.clone() };
                tape.record(&event)?;
                standing
            }
        };
        Ok(Outcome { module, adopted, gated, standing })
    }

    /// Appends a group to rollouts.jsonl, once: a group that is there already is left alone.
    fn write_rollouts(
        &self,
        module: Module,
        round: u32,
        group: &[Trial],
        rewards: &[f64],
        smoothed: &[f64],
    ) -> Result<(), CampaignError> {
        let path = self.folder.join("rollouts.jsonl");
        let name = format!("{module}-r{round:02}");
        let normalised = advantages(smoothed);
        let lines: Vec<Rollout> = group
            .iter()
            .enumerate()
            .map(|(at, trial)| Rollout {
                group: name.clone(),
                prompt: trial.prompt.clone(),
                completion: trial.completion.clone(),
                reward: rewards[at],
                smoothed: smoothed[at],
                normalised: normalised[at],
            })
            .collect();
        append_group(&path, &name, &lines)
            .map_err(|source| JournalError::Io { path: path.clone(), source }.into())
    }
}

/// Where in a campaign a trial stands.
#[derive(Clone, Copy)]
struct Place {
    module: Module,
    round: u32,
    index: u32,
    attempt: u32,
}

impl Place {
    fn is_of(self, trial: &Trial) -> bool {
        (trial.module, trial.round, trial.index, trial.attempt)
            == (self.module, self.round, self.index, self.attempt)
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

/// The candidates with the best mean reward, each once, best first, of those that were faster than
/// the champion on average; a candidate that was drawn more often is judged by all its
/// measurements, and every one by an imaginary measurement more in which it equals the champion: of
/// many that were measured once, the luckiest would win.
fn finalists(trials: &[Trial], count: usize) -> Vec<(String, f64)> {
    let mut all: BTreeMap<&String, Vec<&Judgement>> = BTreeMap::new();
    for trial in trials {
        if let Some(digest) = &trial.digest {
            all.entry(digest).or_default().push(&trial.judgement);
        }
    }
    let sum = |all: &[&Judgement], of: fn(&Judgement) -> f64| all.iter().map(|one| of(one)).sum();
    let mut best: Vec<(String, f64)> = Vec::new();
    for (digest, all) in all {
        let ratio: f64 = sum(&all, Judgement::ratio);
        let reward: f64 = sum(&all, Judgement::reward);
        if ratio > all.len() as f64 {
            best.push((digest.clone(), (reward + 1.0) / (all.len() + 1) as f64));
        }
    }
    best.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    best.truncate(count);
    best
}

/// Plain JSON lines, for other people's programs: no checksums, but the same care for a torn end.
fn append_group(path: &Path, name: &str, lines: &[Rollout]) -> std::io::Result<()> {
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

/// The trials of a campaign that is over or under way, without running it.
///
/// # Errors
/// When the journal cannot be read.
pub fn trials(folder: &Path) -> Result<Vec<Trial>, JournalError> {
    let contents = journal::read::<Event>(&folder.join("journal.jsonl"))?;
    let tried = contents.records.into_iter().filter_map(|event| match event {
        Event::Tried(trial) => Some(trial),
        _ => None,
    });
    Ok(tried.collect())
}

#[cfg(test)]
#[path = "campaign_tests.rs"]
mod tests;
