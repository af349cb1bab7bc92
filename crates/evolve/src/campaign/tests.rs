use super::*;
use crate::exemplar::Score;
use crate::journal;
use crate::knobs::{Grpo, Knob, Policy, Space};
use crate::proposer::Learner;
use std::path::Path;

/// Judges knobs by a formula, and dies on demand.
struct Formula {
    judged: u32,
    dies_at: Option<u32>,
    champion: f64,
}

impl Formula {
    fn value(form: &Form) -> f64 {
        match form {
            Form::Knobs(knobs) => {
                knobs
                    .values()
                    .map(|v| if let Value::Whole(v) = v { 0.1 * *v as f64 } else { 0.0 })
                    .sum::<f64>()
                    + 0.5
            }
            Form::Code(code) => code.len() as f64 / 10.0,
        }
    }
}

impl Judge for Formula {
    fn champion(&self) -> String {
        format!("{:.3}", self.champion)
    }

    fn judge(&mut self, _: Module, form: &Form) -> Result<Judgement, JudgeError> {
        if self.dies_at == Some(self.judged) {
            return Err(JudgeError("killed".into()));
        }
        self.judged += 1;
        let ratio = Self::value(form) / self.champion;
        if ratio < 0.3 {
            return Ok(Judgement::failed(Failure::Recall("0.5".into())));
        }
        let score = Score { ratio, lower: ratio, reward: ratio };
        Ok(Judgement { scores: BTreeMap::from([("f".to_owned(), score)]), failure: None })
    }

    fn gate(
        &mut self,
        _: Module,
        form: &Form,
        _: &mut dyn FnMut(&str),
    ) -> Result<GateResult, JudgeError> {
        let verdict = if Self::value(form) > self.champion { "ship" } else { "don't ship" };
        Ok(GateResult { verdict: verdict.into(), data: vec![], why: String::new() })
    }

    fn adopt(&mut self, _: Module, form: &Form) -> Result<(), JudgeError> {
        self.champion = Self::value(form);
        Ok(())
    }

    fn standing(&mut self) -> Result<BTreeMap<String, f64>, JudgeError> {
        Ok(BTreeMap::from([("f".to_owned(), self.champion)]))
    }
}

fn settings() -> Settings {
    Settings {
        modules: vec![Module::Graph, Module::Search],
        rounds: 6,
        group: 6,
        mend: 1,
        exemplars: 2,
        temperature: 0.1,
        finalists: 2,
        seed: 3,
        proposer: "knobs".into(),
        measured_on: "a formula".into(),
    }
}

fn space() -> Space {
    let values = || (0..5).map(Value::Whole).collect();
    Space::new(vec![Knob::new("a", "", values(), 0), Knob::new("b", "", values(), 1)]).unwrap()
}

fn task(module: Module) -> Task {
    Task { module, contract: "c".into(), interface: "i".into(), allow_unsafe: false }
}

fn run(folder: &Path, dies_at: Option<u32>) -> (Result<Report, CampaignError>, u32) {
    let mut database = Database::open(&folder.join("db.jsonl")).unwrap();
    let mut judge = Formula { judged: 0, dies_at, champion: 0.6 };
    let result = Campaign {
        settings: settings(),
        folder: folder.to_owned(),
        database: &mut database,
        judge: &mut judge,
        tasks: &task,
        proposer: &mut |_| {
            let reference = Policy::around(&space(), 0.5);
            Box::new(Learner::new(space(), reference, Grpo::default()))
        },
        watch: &mut (),
    }
    .run();
    (result, judge.judged)
}

#[test]
fn a_campaign_improves_module_after_module() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(folder.path(), None).0.unwrap();
    assert_eq!(report.trials.len(), 72);
    let mean = |round| {
        let rewards =
            report.trials.iter().filter(|t| t.module == Module::Graph && t.round == round);
        rewards.map(|trial| trial.judgement.reward()).sum::<f64>() / 6.0
    };
    assert!(mean(5) > mean(0), "{} {}", mean(0), mean(5));
    assert!(report.outcomes[0].adopted.is_some());
    assert!(report.outcomes[0].standing["f"] > report.start["f"]);
    // Candidates of the second module were measured against the first one's champion.
    assert!(report.outcomes[1].standing["f"] >= report.outcomes[0].standing["f"]);
    let lines = std::fs::read_to_string(folder.path().join("rollouts.jsonl")).unwrap();
    let rollouts: Vec<Rollout> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(rollouts.len(), 72);
    for group in rollouts.chunks(6) {
        assert!(group.iter().map(|r| r.normalised).sum::<f64>().abs() < 1e-9);
        assert!(group.iter().all(|r| r.group == group[0].group && r.smoothed.abs() <= 1.5));
    }
}

#[test]
fn killed_at_any_trial_it_ends_as_if_it_had_not_been() {
    let whole = tempfile::tempdir().unwrap();
    let expected = run(whole.path(), None).0.unwrap();
    let rollouts = std::fs::read(whole.path().join("rollouts.jsonl")).unwrap();
    for dies_at in (0..72).step_by(5) {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(run(folder.path(), Some(dies_at)).0, Err(CampaignError::Judge(_))));
        // A crash may also tear the journal's last line.
        let path = folder.path().join("journal.jsonl");
        let bytes = std::fs::read(&path).unwrap();
        let torn = dies_at % 2 == 1;
        if torn {
            std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        }
        let (report, judged) = run(folder.path(), None);
        assert_eq!(report.unwrap(), expected, "{dies_at}");
        assert_eq!(judged, 72 - dies_at + u32::from(torn), "{dies_at}");
        assert_eq!(std::fs::read(folder.path().join("rollouts.jsonl")).unwrap(), rollouts);
    }
    // A finished one does nothing again.
    assert_eq!(run(whole.path(), None).1, 0);
}

#[test]
fn other_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), Some(3)).0.unwrap_err();
    let path = folder.path().join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    let other = Event::Began(Settings { rounds: 7, ..settings() });
    std::fs::write(&path, journal::line(&other).unwrap() + rest).unwrap();
    assert!(matches!(run(folder.path(), None).0, Err(CampaignError::Settings(_))));
}

#[test]
fn a_policy_that_would_have_proposed_otherwise_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), Some(30)).0.unwrap_err();
    let path = folder.path().join("journal.jsonl");
    let mut events = journal::read::<Event>(&path).unwrap().records;
    let Some(Event::Tried(trial)) = events.get_mut(20) else { panic!("{events:?}") };
    trial.completion = trial.completion.replace("\"b\":", "\"b\": 1");
    let text: String = events.iter().map(|event| journal::line(event).unwrap()).collect();
    std::fs::write(&path, text).unwrap();
    let error = run(folder.path(), None).0.unwrap_err();
    assert!(matches!(error, CampaignError::Diverged { .. }), "{error}");
}

/// Answers from a list.
struct Script(std::vec::IntoIter<&'static str>);

impl Proposer for Script {
    fn name(&self) -> String {
        "script".into()
    }

    fn writes_code(&self) -> bool {
        true
    }

    fn propose(&mut self, _: &Request<'_>) -> Result<Completion, ProposerError> {
        let text = self.0.next().ok_or(ProposerError::Timeout(Default::default()))?.to_owned();
        Ok(Completion { text, usage: Usage { prompt: 3, completion: 5 } })
    }
}

const GOOD: &str = "## Performance Analysis\nx\n## Algorithm Design\n1. Wider beams\n## Code\n```rust\nfn longer() {}\n```\n";

#[test]
fn a_group_keeps_its_prompt_over_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let run = |dies_at| {
        let mut database = Database::open(&folder.path().join("db.jsonl")).unwrap();
        Campaign {
            settings: Settings { modules: vec![Module::Search], rounds: 2, group: 3, ..settings() },
            folder: folder.path().to_owned(),
            database: &mut database,
            judge: &mut Formula { judged: 0, dies_at, champion: 1.0 },
            tasks: &task,
            proposer: &mut |_| Box::new(Script(vec![GOOD; 6].into_iter())),
            watch: &mut (),
        }
        .run()
    };
    // By then the first answer is an exemplar, which the group's prompt did not show.
    run(Some(1)).unwrap_err();
    let trials = run(None).unwrap().trials;
    let prompts: Vec<&str> = trials.iter().map(|trial| trial.prompt.as_str()).collect();
    assert_eq!((prompts[1], prompts[2]), (prompts[0], prompts[0]));
    assert!(trials[0].parents.is_empty() && trials[3].parents.len() == 1);
    assert_ne!(prompts[3], prompts[0]);
}

#[test]
fn what_was_wrong_is_told_back_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = Database::open(&folder.path().join("db.jsonl")).unwrap();
    let report = Campaign {
        settings: Settings { modules: vec![Module::Search], rounds: 1, group: 3, ..settings() },
        folder: folder.path().to_owned(),
        database: &mut database,
        judge: &mut Formula { judged: 0, dies_at: None, champion: 1.0 },
        tasks: &task,
        proposer: &mut |_| Box::new(Script(vec!["no sections", GOOD, GOOD].into_iter())),
        watch: &mut (),
    }
    .run()
    .unwrap();
    let seen: Vec<(u32, u32, bool)> =
        report.trials.iter().map(|t| (t.index, t.attempt, t.judgement.reward() > 0.0)).collect();
    assert_eq!(seen, [(0, 0, false), (0, 1, true), (1, 0, true), (2, 0, false)]);
    assert!(report.trials[1].prompt.contains("`## Code` is missing"));
    assert!(matches!(report.trials[3].judgement.failure, Some(Failure::NoAnswer(_))));
    assert_eq!(report.usage, Usage { prompt: 9, completion: 15 });
    assert_eq!(database.exemplars()[0].title, "Wider beams");
    assert_eq!(database.exemplars()[0].gate.as_ref().unwrap().verdict, "ship");
}
