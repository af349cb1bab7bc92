//! Each way to misbehave is noticed and named.

use crate::{Test, toy};
use crinoid_eval::subject::{Answers, Driver, Fault, Launch, Limits, Parameters, Timed, effort};
use crinoid_quant::{Metric, Vectors};
use std::{path::Path, time::Duration};

pub(crate) const TESTS: &[Test] = &[
    ("hostile::a_good_subject_answers", a_good_subject_answers),
    ("hostile::every_manner_has_its_fault", every_manner_has_its_fault),
    ("hostile::nobody_is_led_astray", nobody_is_led_astray),
    ("hostile::unknown_parameters_are_refused", unknown_parameters_are_refused),
    ("hostile::a_missing_program_is_named", a_missing_program_is_named),
];

/// 512 x 4 values without structure.
pub(crate) fn vectors(rows: usize, seed: u64) -> Vectors {
    let mut random = crinoid_eval::data::random::Random::stream(seed, 1, 2);
    let values: Vec<f32> = (0..rows * 4).map(|_| random.normal()).collect();
    Vectors::new(values.as_slice(), 4).unwrap()
}

pub(crate) fn launch(folder: &Path, manner: &str) -> Launch {
    // Alone in an empty folder, as the protocol promises.
    let own = folder.join("subject");
    std::fs::create_dir_all(&own).unwrap();
    Launch {
        program: std::env::current_exe().unwrap(),
        arguments: vec!["subject".into(), manner.into()],
        environment: Vec::new(),
        folder: own,
        core: Some(0),
        limits: Limits {
            greeting: Duration::from_secs(20),
            search: Duration::from_secs(if manner == "hangs" { 3 } else { 20 }),
            memory: 256 << 20,
            ..Limits::default()
        },
    }
}

fn talk(manner: &str) -> Result<Timed<Answers>, Fault> {
    let folder = tempfile::tempdir().unwrap();
    let base = vectors(512, 1);
    let file = folder.path().join("base.fbin");
    crinoid_files::bin::write_vectors(&file, &base).unwrap();
    let mut driver = Driver::launch(&launch(folder.path(), manner))?;
    driver.load(&file, Metric::L2, (base.len(), base.dim()))?;
    driver.build(&Parameters::new(), 1, 42)?;
    let queries = vectors(20, 2);
    let order: Vec<u32> = (0..20).rev().collect();
    driver.search(&queries, &order, 5, &effort(8), true)?;
    let answers = driver.search(&queries, &order, 5, &effort(8), true)?;
    driver.stop()?;
    Ok(answers)
}

fn a_good_subject_answers() {
    let answers = talk("good").unwrap();
    assert_eq!((answers.value.ids.len(), answers.value.gaps), (100, 0));
    assert_eq!(answers.value.searched.counters.unwrap().distances, 20 * 64);
    assert_eq!(answers.value.latencies.unwrap().len(), 20);
    assert!(answers.elapsed > Duration::ZERO);
}

fn every_manner_has_its_fault() {
    for &manner in toy::MANNERS {
        let fault = match talk(manner) {
            Ok(answers) => {
                // These show only over several requests, or are no fault: see `running`.
                let later = ["good", "other-answers", "other-counters", "other-digest"];
                let later = later.into_iter().chain(["order-dependent", "caches", "boasts"]);
                let later = later.chain(["overwrites", "careful", "sloppy", "caches-large"]);
                let fine = ["too-few", "floods-stderr", "looks-for-truth", "reads-truth", "stores"];
                let fine = later.chain(fine);
                assert!(fine.into_iter().any(|fine| fine == manner), "{manner} was not noticed");
                assert_eq!(answers.value.gaps, if manner == "too-few" { 20 } else { 0 });
                continue;
            }
            Err(fault) => fault,
        };
        let text = fault.to_string();
        let fits = match manner {
            "hangs" => matches!(fault, Fault::Timeout { op: "search", .. }),
            "crashes" => matches!(fault, Fault::Died { op: "build", .. }) && text.contains("abort"),
            "exits" => matches!(fault, Fault::Died { op: "build", .. }),
            "closes" => matches!(fault, Fault::Died { op: "search", .. }) && text.contains('7'),
            "floods-stdout" | "wrong-reply" => {
                matches!(fault, Fault::WrongReply { op: "search", .. })
            }
            "long-line" => matches!(fault, Fault::Flood { .. }),
            "garbage" => matches!(fault, Fault::NotAReply { .. }) && text.contains("not JSON"),
            "unasked" => matches!(fault, Fault::NotAReply { .. } | Fault::Unasked { .. }),
            "old-version" => matches!(fault, Fault::Version { got: 99, want: 1 }),
            "miscounts-rows" => matches!(fault, Fault::FalseReply { field: "rows", .. }),
            "miscounts-answers" => matches!(fault, Fault::FalseReply { field: "answered", .. }),
            "short-file" => matches!(fault, Fault::FalseReply { .. } | Fault::BadFile { .. }),
            "pipe" | "link" | "folder" | "second-name" | "late" => {
                matches!(fault, Fault::BadFile { what: "answers", .. })
            }
            "helper" | "detached-helper" => matches!(fault, Fault::LeftBehind { helpers: 1 }),
            // Where the system does not let others choose their core, there is none to leave.
            "wanders" => matches!(fault, Fault::Unpinned { core: 0 }),
            "no-answers-file" | "refuses" => matches!(fault, Fault::Refused { .. }),
            "out-of-range" => matches!(fault, Fault::OutOfRange { query: 16, id: 512, .. }),
            "duplicates" => matches!(fault, Fault::Duplicate { query: 16, .. }),
            "gap" => matches!(fault, Fault::Gap { query: 16 }),
            "complains" => matches!(fault, Fault::LiesAboutTime { .. }),
            "hoards" => matches!(fault, Fault::Memory { op: "build", .. }),
            _ => false,
        };
        assert!(fits, "{manner} was reported as {fault:?}");
    }
    // Whoever was started has been ended.
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        let helper = |time: &str| words.contains(&format!("sleep {time}"));
        assert!(!toy::HELPERS.iter().any(|time| helper(time)), "{words} lives on");
    }
}

/// A link in the place of a file that the driver writes must not lead it to another file.
fn nobody_is_led_astray() {
    let folder = tempfile::tempdir().unwrap();
    let (prize, trap) = (folder.path().join("prize"), folder.path().join("queries.fbin"));
    std::fs::write(&prize, "as it was").unwrap();
    std::os::unix::fs::symlink(&prize, &trap).unwrap();
    crinoid_eval::subject::files::write_queries(&trap, &vectors(4, 1), &[0, 1]).unwrap();
    assert_eq!(std::fs::read_to_string(&prize).unwrap(), "as it was");
    assert!(!trap.is_symlink());
}

fn unknown_parameters_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("base.fbin");
    crinoid_files::bin::write_vectors(&file, &vectors(8, 1)).unwrap();
    let mut driver = Driver::launch(&launch(folder.path(), "good")).unwrap();
    driver.load(&file, Metric::L2, (8, 4)).unwrap();
    let odd = Parameters::from([("efs".to_owned(), 3.into())]);
    let fault = driver.build(&odd, 1, 1).unwrap_err();
    assert!(matches!(fault, Fault::Refused { .. }) && fault.to_string().contains("known: m"));
    // It goes on as if nothing had been asked.
    driver.build(&Parameters::new(), 1, 1).unwrap();
    driver.stop().unwrap();
}

fn a_missing_program_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut launch = launch(folder.path(), "good");
    launch.program = "/nowhere/at/all".into();
    let fault = Driver::launch(&launch).err().unwrap();
    assert!(matches!(fault, Fault::Spawn { .. }) && fault.to_string().contains("/nowhere"));
}
