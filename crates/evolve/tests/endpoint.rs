//! The whole path from an endpoint's answer to a reward, over a loopback server whose answers are
//! prepared: slow, failing, malformed, and cheating in several ways.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests report by panicking and say what they skip"
)]

use crinoid_eval::data::Synthetic;
use crinoid_evolve::campaign::{Campaign, Settings, Trial};
use crinoid_evolve::candidate::{Rules, Workshop};
use crinoid_evolve::judge::Judge;
use crinoid_evolve::lab::{Lab, Setup, Workload};
use crinoid_evolve::proposer::openai::OpenAi;
use crinoid_evolve::proposer::{Proposer, ProposerError, Request};
use crinoid_evolve::random::Stream;
use crinoid_evolve::reward::Failure;
use crinoid_evolve::{Database, Module, contracts};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// What the server does with one request.
#[derive(Clone)]
enum Serve {
    /// A chat completion.
    Text(String),
    /// The same, after so many milliseconds.
    Late(u64, String),
    /// Some status with some body.
    Status(u16, &'static str),
    /// Nothing: holds the connection until the client gives up.
    Silence,
}

/// A server that gives the prepared answers one after the other; the base URL, and the requests
/// that came (headers and body).
fn server(answers: Vec<Serve>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let _ = sender.send(head + &String::from_utf8(body).unwrap());
            if let Serve::Late(pause, _) = &answer {
                std::thread::sleep(Duration::from_millis(*pause));
            }
            let (status, body) = match answer {
                Serve::Text(text) | Serve::Late(_, text) => {
                    let reply = serde_json::json!({
                        "choices": [{"message": {"role": "assistant", "content": text}}],
                        "usage": {"prompt_tokens": 100, "completion_tokens": 10},
                    });
                    (200, reply.to_string())
                }
                Serve::Status(status, body) => (status, body.to_owned()),
                Serve::Silence => {
                    let _ = stream.read(&mut [0; 1]);
                    continue;
                }
            };
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    (format!("http://{address}/v1"), requests)
}

fn quick(url: &str) -> OpenAi {
    let mut openai = OpenAi::new(url, "test-model", Some("sesame".into()));
    openai.pause = Duration::from_millis(1);
    openai.patience = Duration::from_secs(2);
    openai
}

fn ask(openai: &mut OpenAi) -> Result<String, ProposerError> {
    let request = Request { prompt: "the prompt", name: "x", stream: Stream::new(1) };
    openai.propose(&request).map(|completion| completion.text)
}

#[test]
fn trouble_that_passes_is_waited_out_and_other_trouble_ends_it() {
    let hello = || Serve::Text("hello".into());
    let (url, requests) = server(vec![
        Serve::Status(503, "busy"),
        Serve::Status(429, "slow down"),
        Serve::Status(200, "{\"choices\": []}"),
        hello(),
        hello(),
    ]);
    let mut openai = quick(&url);
    assert_eq!(ask(&mut openai).unwrap(), "hello");
    assert_eq!((openai.spent.prompt, openai.spent.completion), (100, 10));
    let request = requests.recv().unwrap();
    assert!(request.starts_with("POST /v1/chat/completions"));
    assert!(request.to_lowercase().contains("authorization: bearer sesame"));
    assert!(request.contains("the prompt") && request.contains("test-model"));
    openai.budget = Some(110);
    assert!(matches!(ask(&mut openai), Err(ProposerError::Fatal(_))));

    let (url, _requests) = server(vec![Serve::Status(401, "wrong key")]);
    let error = ask(&mut quick(&url)).unwrap_err();
    assert!(matches!(&error, ProposerError::Fatal(why) if why.contains("wrong key")));
    assert!(!format!("{:?}{error}", quick(&url)).contains("sesame"), "the key is never shown");

    let (url, _requests) = server(vec![Serve::Status(500, ""); 4]);
    assert!(matches!(ask(&mut quick(&url)), Err(ProposerError::Unusable(_))));

    let (url, _requests) = server(vec![Serve::Silence]);
    let mut impatient = quick(&url);
    impatient.patience = Duration::from_millis(200);
    assert!(matches!(ask(&mut impatient), Err(ProposerError::Timeout(_))));
}

/// The starting point with `line` as the first statement of its search, as an answer.
fn with(line: &str) -> String {
    let source = contracts::starter(Module::Search).unwrap();
    let first = "let mut counters = Counters::default();";
    assert!(source.contains(first));
    let code = source.replacen(first, &format!("{first}\n        {line}"), 1);
    format!(
        "## Performance Analysis\nNone yet.\n## Algorithm Design\n1. A test.\n## Code\n\
         ```rust\n{code}\n```\n"
    )
}

fn workloads(folder: &Path) -> Vec<Workload> {
    let data = Synthetic { rows: 3000, queries: 200, ..Synthetic::default() };
    let data = data.generate("small").unwrap();
    vec![Workload::new("small", data, true, 100, folder).unwrap()]
}

fn lab<'a>(workloads: &'a [Workload], folder: &Path) -> Lab<'a> {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let workspace = std::fs::canonicalize(workspace).unwrap();
    // Compiled once, whichever test run comes first.
    let workshop = Workshop {
        folder: workspace.join("target/evolve"),
        workspace,
        patience: Duration::from_secs(600),
        rules: Rules::default(),
    };
    let rig = (PathBuf::from(env!("CARGO_BIN_EXE_crinoid-rig")), Vec::new());
    let mut lab = Lab::new(workloads, rig, workshop, folder, Setup::default()).unwrap();
    // Long enough for a machine that is busy otherwise to hand out the memory below.
    lab.protocol.patience = Duration::from_secs(10);
    lab.protocol.pairs = 2;
    lab.protocol.gate_budget = Duration::from_secs(3);
    // Two small sets measured on a busy machine: what is tested here is not the speed.
    lab.sandbox.memory = 1 << 30;
    lab
}

/// An answer and how it must fail, if it must.
type Case = (&'static str, Serve, Option<fn(&Failure) -> bool>);

/// A round of a campaign in which the server gives these answers: a candidate each, or, with
/// `mend`, one that is asked to mend its answer. The trials, whose failures are as expected, and the
/// database.
fn round(lab: &mut Lab<'_>, folder: &Path, mend: bool, cases: Vec<Case>) -> (Vec<Trial>, Database) {
    let mends = if mend { cases.len() as u32 - 1 } else { 0 };
    let (url, _requests) = server(cases.iter().map(|case| case.1.clone()).collect());
    let mut database = Database::open(&folder.join("db.jsonl")).unwrap();
    let report = Campaign {
        settings: Settings {
            modules: vec![Module::Search],
            rounds: 1,
            group: cases.len() as u32 - mends,
            mend: mends,
            exemplars: 2,
            temperature: 0.1,
            finalists: 1,
            seed: 1,
            proposer: "openai".into(),
            measured_on: "small".into(),
        },
        folder: folder.join("campaign"),
        database: &mut database,
        judge: lab,
        tasks: &|module| contracts::task(module, false),
        proposer: &mut |_| Box::new(quick(&url)),
        watch: &mut (),
    }
    .run()
    .unwrap();
    for (trial, (name, _, expected)) in report.trials.iter().zip(&cases) {
        let Trial { judgement, .. } = trial;
        match (expected, &judgement.failure) {
            (None, None) => assert!(judgement.reward() > 0.0, "{name}: {judgement:?}"),
            (Some(check), Some(failure)) => {
                println!("{name}: {failure}");
                assert!(check(failure), "{name}: {failure:?}");
                assert_eq!(judgement.reward(), 0.0);
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    (report.trials, database)
}

#[test]
fn answers_that_must_not_be_built_are_refused_unbuilt() {
    let folder = tempfile::tempdir().unwrap();
    let workloads = workloads(folder.path());
    let mut lab = lab(&workloads, folder.path());
    let malformed = |failure: &Failure| matches!(failure, Failure::Malformed(why) if why.contains("`## Code` is missing"));
    let mut cases: Vec<Case> =
        vec![("malformed", Serve::Text("I would rather not.".into()), Some(malformed))];
    for (name, line) in [
        ("reads the truth", "let _ = std::fs::read(\"/data/sift.hdf5\");"),
        ("sleeps the clock", "std::thread::sleep(std::time::Duration::from_millis(1));"),
        ("reads the clock", "let _ = std::time::Instant::now();"),
        ("caches", "static SEEN: std::sync::Mutex<Vec<u32>> = std::sync::Mutex::new(Vec::new());"),
        ("spawns a process", "let _ = std::process::Command::new(\"true\").spawn();"),
        ("spawns one of ours", "let _ = crinoid_refine::CommandReranker::new(\"true\", [\"x\"]);"),
    ] {
        let forbidden = |failure: &Failure| matches!(failure, Failure::Forbidden(_));
        cases.push((name, Serve::Text(with(line)), Some(forbidden)));
    }
    let count = cases.len();
    let (trials, database) = round(&mut lab, folder.path(), false, cases);
    assert_eq!(trials.len(), count);
    assert_eq!(trials.iter().map(|trial| trial.usage.prompt).sum::<u64>(), 100 * count as u64);
    assert!(database.exemplars().is_empty(), "only successes are kept");
    let rollouts = std::fs::read_to_string(folder.path().join("campaign/rollouts.jsonl")).unwrap();
    assert_eq!(rollouts.lines().count(), count);
}

/// Compiles nine candidates, and everything below them the first time, which takes longer than a
/// test may: `CRINOID_COMPILE=1 cargo test -p crinoid-evolve --features openai --test endpoint`.
#[test]
fn answers_that_are_built_earn_what_they_deserve() {
    if std::env::var_os("CRINOID_COMPILE").is_none() {
        println!("skipped: it compiles for minutes; set CRINOID_COMPILE");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let workloads = workloads(folder.path());
    let mut lab = lab(&workloads, folder.path());
    if let Err(error) = lab.sandbox.wrap(Path::new("true"), &[]) {
        println!("skipped: {error}");
        return;
    }
    let interface = |failure: &Failure| matches!(failure, Failure::Interface(_));
    let text = |line: &str| Serve::Text(with(line));
    let cases: Vec<Case> = vec![
        ("slow, then good", Serve::Late(300, with("")), None),
        (
            "does not compile",
            text("let width: u32 = params.beam_width(graph.len());"),
            Some(|failure| matches!(failure, Failure::Compile(why) if why.contains("E0308"))),
        ),
        ("panics", text("if graph.len() > 1000 { panic!(\"too many\"); }"), Some(interface)),
        (
            "allocates without end",
            text(
                "let mut all = Vec::new(); while graph.len() > 6 { all.push(vec![1u64; 1 << 20]); }",
            ),
            // The address space ends, and Rust says so; not the patience.
            Some(
                |failure| matches!(failure, Failure::Interface(why) if why.contains("memory allocation of")),
            ),
        ),
        (
            "loops for ever",
            text("while std::hint::black_box(graph.len()) > 6 {}"),
            Some(
                |failure| matches!(failure, Failure::Interface(why) if why.contains("within 10.0s")),
            ),
        ),
        (
            "gives up early",
            text("let params = &SearchParams::new(1, 1);"),
            Some(|failure| matches!(failure, Failure::Interface(_) | Failure::Recall(_))),
        ),
        (
            "remembers the query before",
            text("counters.hops += beam.found.first().map_or(0, |found| found & 1);"),
            Some(|failure| matches!(failure, Failure::Determinism(_))),
        ),
    ];
    let count = cases.len();
    let (trials, database) = round(&mut lab, folder.path(), false, cases);
    assert_eq!(trials.len(), count);
    assert_eq!(database.exemplars().len(), 1, "the good one");
    let gate = lab.gate(Module::Search, &database.exemplars()[0].form, &mut |_| {}).unwrap();
    assert!(gate.verdict != "broken", "{gate:?}");

    // What the compiler says is told back, and the answer to that is judged anew.
    let folder = tempfile::tempdir().unwrap();
    let wrong = |failure: &Failure| matches!(failure, Failure::Compile(_));
    let cases: Vec<Case> = vec![
        ("wrong", text("let x: u32 = graph;"), Some(wrong)),
        ("mended", text("let _ = 7;"), None),
    ];
    let (trials, _database) = round(&mut lab, folder.path(), true, cases);
    assert!(trials[1].prompt.contains("E0308"), "{}", trials[1].prompt);
}
