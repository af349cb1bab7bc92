//! What shows only over several requests.

use crate::{Test, hostile};
use crinoid_eval::{
    Dataset, Truth,
    measure::{
        Grader, MeasureError, Pair, Pass, Preparations, QuerySplit, Rung, RunningSubject, Side,
        Step, Sweep, Turns, curve, paired_round, sweep,
    },
    reward::REWARD,
    subject::{Driver, Fault, Launch, Parameters, effort},
    truth::exact,
};
use crinoid_files::{Rows, bin};
use crinoid_quant::{Metric, Vectors};
use std::path::PathBuf;

pub(crate) const TESTS: &[Test] = &[
    ("running::inconstancy_is_noticed", inconstancy_is_noticed),
    ("running::cached_answers_are_noticed", cached_answers_are_noticed),
    ("running::knowing_the_truth_is_noticed", knowing_the_truth_is_noticed),
    ("running::kept_answers_gain_nothing", kept_answers_gain_nothing),
    (
        "running::treating_timed_queries_otherwise_is_noticed",
        treating_timed_queries_otherwise_is_noticed,
    ),
    ("running::a_spoilt_file_is_noticed", a_spoilt_file_is_noticed),
    ("running::boasting_is_noticed", boasting_is_noticed),
    ("running::another_digest_is_noticed", another_digest_is_noticed),
    ("running::an_index_is_built_once_and_kept", an_index_is_built_once_and_kept),
    ("running::two_subjects_at_one_process", two_subjects_at_one_process),
    ("running::a_duel_of_equals_has_equal_recalls_and_work", a_duel_of_equals),
];

struct Room {
    folder: tempfile::TempDir,
    data: Dataset,
    truth: Truth,
}

impl Room {
    fn new(rows: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (base, queries) = (hostile::vectors(rows, 1), hostile::vectors(60, 2));
        let truth = exact(Metric::L2, &base, &queries, 10, &()).unwrap();
        let data = Dataset::new("toy", Metric::L2, base, queries).unwrap();
        Self { folder, data, truth }
    }

    fn file(&self) -> PathBuf {
        let file = self.folder.path().join("base.fbin");
        bin::write_vectors(&file, &self.data.base).unwrap();
        file
    }

    fn ready(&self, manner: &str) -> (Launch, Preparations, Grader<'_>) {
        let vectors = self.file();
        let grader = Grader::new(&self.data, &self.truth).unwrap();
        let folder = self.folder.path().join(manner);
        std::fs::create_dir_all(&folder).unwrap();
        let (build, search) = (Parameters::new(), Parameters::new());
        let preparations = Preparations { vectors, build, search, threads: 1, seed: 1 };
        (hostile::launch(&folder, manner), preparations, grader)
    }

    fn running(&self, manner: &str) -> RunningSubject<'_> {
        let (launch, preparations, grader) = self.ready(manner);
        RunningSubject::start(manner, &launch, &preparations, grader).unwrap()
    }
}

fn inconstancy_is_noticed() {
    let room = Room::new(400);
    for (manner, what) in [
        ("other-answers", "an answer"),
        ("order-dependent", "an answer"),
        ("other-counters", "a counter"),
    ] {
        let mut running = room.running(manner);
        let split = QuerySplit::all(&room.data);
        running.observe(&split, 5, 8).unwrap();
        // What is changed may fall on a query that only hides the others, so several times.
        let again = (0..20).find_map(|_| running.ask_again(&split, 5, 8).err());
        let error = again.unwrap_or_else(|| panic!("{manner} was not noticed"));
        let MeasureError::Fault { subject, fault } = error else { panic!("{error}") };
        assert_eq!(subject, manner);
        assert!(
            matches!(fault, Fault::Nondeterministic { what: is, ef: 8, .. } if is == what),
            "{manner}: {fault}"
        );
    }
}

fn cached_answers_are_noticed() {
    let room = Room::new(20_000);
    let split = QuerySplit::all(&room.data);
    for manner in ["good", "caches", "caches-large"] {
        let mut running = room.running(manner);
        let checked = running.check(&split, 5, &[2500]);
        let fits = match manner {
            "good" => checked.is_ok(),
            "caches" => {
                matches!(checked, Err(MeasureError::Fault { fault: Fault::Cached { .. }, .. }))
            }
            // It counts what it looks up, and is found out by that.
            _ => matches!(checked, Err(MeasureError::Fault { .. })),
        };
        assert!(fits, "{manner}: {checked:?}");
    }
}

/// Whoever keeps answers has none of those that are timed: this subject counts, as hops, how many it
/// looked up.
fn kept_answers_gain_nothing() {
    let room = Room::new(2000);
    let split = QuerySplit::all(&room.data);
    let mut running = room.running("caches-large");
    let mut fresh = running.fresh(&split);
    let (launch, preparations, _) = room.ready("caches-large");
    let mut driver = Driver::launch(&launch).unwrap();
    driver.load(&preparations.vectors, Metric::L2, (2000, 4)).unwrap();
    driver.build(&Parameters::new(), 1, 1).unwrap();
    let mut ask = |queries: &Vectors| {
        let order: Vec<u32> = (0..queries.len() as u32).collect();
        let asked = driver.search(queries, &order, 5, &effort(8), false).unwrap();
        asked.value.searched.counters.unwrap().hops
    };
    for _ in 0..10 {
        assert_eq!(ask(&fresh.batch().unwrap()), 0);
        ask(split.queries());
    }
    assert_eq!(ask(split.queries()), 60);
    running.pass(&fresh.batch().unwrap(), 5, 8, false).unwrap();
}

fn treating_timed_queries_otherwise_is_noticed() {
    let room = Room::new(2000);
    let split = QuerySplit::all(&room.data);
    for (manner, caught) in [("good", false), ("careful", true), ("sloppy", true)] {
        let mut running = room.running(manner);
        let mut fresh = running.fresh(&split);
        let efforts = [40, 80, 120];
        for ef in efforts {
            running.observe(&split, 5, ef).unwrap();
        }
        for _ in 0..4 {
            for ef in efforts {
                running.pass(&fresh.batch().unwrap(), 5, ef, false).unwrap();
            }
        }
        let checked = running.check(&split, 5, &efforts);
        let found =
            matches!(checked, Err(MeasureError::Fault { fault: Fault::KnowsTruth { .. }, .. }));
        assert_eq!(found, caught, "{manner}: {checked:?}");
    }
}

fn a_spoilt_file_is_noticed() {
    let room = Room::new(400);
    let split = QuerySplit::all(&room.data);
    let mut running = room.running("overwrites");
    running.observe(&split, 5, 8).unwrap();
    let error = running.check(&split, 5, &[8]).unwrap_err();
    assert!(matches!(error, MeasureError::Fault { fault: Fault::Tampered { .. }, .. }), "{error}");
    // An index that was kept is not taken from a file that somebody has changed.
    let mut running = room.running("stores");
    running.restart().unwrap();
    let stored = room.folder.path().join("stores/subject/index");
    let mut bytes = std::fs::read(&stored).unwrap();
    bytes[50] ^= 1;
    std::fs::write(&stored, bytes).unwrap();
    let error = running.restart().unwrap_err();
    assert!(matches!(error, MeasureError::Fault { fault: Fault::Tampered { .. }, .. }), "{error}");
}

fn knowing_the_truth_is_noticed() {
    let room = Room::new(2000);
    let (queries, k) = (&room.data.queries, room.truth.k());
    bin::write_vectors(&room.folder.path().join("queries.fbin"), queries).unwrap();
    let rows = (0..queries.len()).flat_map(|query| room.truth.ids_of(query).to_vec());
    let ids: Vec<u32> = rows.collect();
    let truth = Rows { dim: k, values: ids.as_slice().into() };
    bin::write(&room.folder.path().join("truth.ibin"), &truth).unwrap();
    let split = QuerySplit::all(&room.data);
    for (manner, caught) in [("good", false), ("reads-truth", true)] {
        let mut running = room.running(manner);
        let mut fresh = running.fresh(&split);
        // 800 of 2,000 rows are looked at, so a search finds about 40 %.
        let recall = running.observe(&split, k, 100).unwrap().recall();
        assert_eq!(recall > 0.99, caught, "{manner}: {recall}");
        running.pass(&fresh.batch().unwrap(), k, 100, false).unwrap();
        let checked = running.check(&split, k, &[100]);
        let found =
            matches!(checked, Err(MeasureError::Fault { fault: Fault::KnowsTruth { .. }, .. }));
        assert_eq!(found, caught, "{manner}: {checked:?}");
    }
}

fn boasting_is_noticed() {
    let room = Room::new(20_000);
    let split = QuerySplit::all(&room.data);
    let mut running = room.running("boasts");
    let queries = running.fresh(&split).batch().unwrap();
    let error = running.pass(&queries, 5, 2500, true).unwrap_err();
    assert!(matches!(error, MeasureError::Fault { fault: Fault::LiesAboutTime { .. }, .. }));
}

fn another_digest_is_noticed() {
    let room = Room::new(100);
    for (manner, caught) in [("good", false), ("other-digest", true)] {
        let mut running = room.running(manner);
        assert_eq!(running.rebuild().is_err(), caught, "{manner}");
        if !caught {
            running.restart().unwrap();
        }
        running.stop().unwrap();
    }
}

fn an_index_is_built_once_and_kept() {
    let room = Room::new(300);
    let split = QuerySplit::all(&room.data);
    let kept = room.folder.path().join("kept");
    let (launch, preparations, grader) = room.ready("stores");
    let start =
        || RunningSubject::start_with("stores", &launch, &preparations, grader, &kept).unwrap();
    let mut first = start();
    assert!(first.built().bytes > 0 && kept.exists());
    let recall = first.observe(&split, 5, 8).unwrap().recall();
    let mut second = start();
    assert_eq!((second.built().bytes, &second.built().digest), (0, &first.built().digest));
    assert_eq!(second.observe(&split, 5, 8).unwrap().recall(), recall);
    second.restart().unwrap();
    second.ask_again(&split, 5, 8).unwrap();
    // One that does not store builds, and leaves nothing behind.
    let absent = room.folder.path().join("absent");
    let (launch, preparations, grader) = room.ready("good");
    RunningSubject::start_with("good", &launch, &preparations, grader, &absent).unwrap();
    assert!(!absent.exists());
}

fn two_subjects_at_one_process() {
    let room = Room::new(300);
    let split = QuerySplit::all(&room.data);
    // Its counters tell how often the process was asked.
    let mut one = room.running("other-counters");
    let hops =
        |running: &mut RunningSubject<'_>| running.observe(&split, 5, 8).unwrap().hops().unwrap();
    let first = hops(&mut one);
    let mut other = one.beside("the other", Parameters::new());
    assert!(hops(&mut other) > first);
    one.restart().unwrap();
    let error = one.ask_again(&split, 5, 8).unwrap_err();
    assert!(matches!(error, MeasureError::Fault { subject, .. } if subject == "other-counters"));
    other.stop().unwrap();
    // Alone again, it begins anew.
    one.restart().unwrap();
    let queries = one.fresh(&split).batch().unwrap();
    one.pass(&queries, 5, 8, false).unwrap();
    one.stop().unwrap();
}

fn a_duel_of_equals() {
    let room = Room::new(400);
    let (practice, held_out) = QuerySplit::split(&room.data, 0.3, 1).unwrap();
    assert_eq!((practice.len(), held_out.len()), (18, 42));
    let [mut a, mut b] = ["good", "good"].map(|manner| room.running(manner));
    let plan = Sweep { least: 5, most: 64, inside: 6, up_to: 0.999 };
    let seen = sweep(&mut a, &practice, 5, &plan, |_, _| {}).unwrap();
    assert!(seen.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{seen:?}");
    let efforts = plan.worth_timing(&seen);
    let observe = |running: &mut RunningSubject<'_>| -> Vec<(f64, Option<f64>)> {
        let look = |&ef| running.observe(&held_out, 5, ef).map(|o| (o.recall(), o.distances()));
        efforts.iter().map(look).collect::<Result<_, _>>().unwrap()
    };
    let (left, right) = (observe(&mut a), observe(&mut b));
    assert_eq!(left, right);
    let rung = |&ef| Rung { k: 5, ef: vec![Some(ef); 2], latencies: false };
    let mut rungs: Vec<Rung> = efforts.iter().map(rung).collect();
    rungs.push(Rung { k: 5, ef: vec![Some(efforts[0]), None], latencies: true });
    let recalls: Vec<f64> = left.iter().map(|seen| seen.0).collect();
    let mut fresh = a.fresh(&held_out);
    let mut running = Pair { a: &mut a, b: &mut b };
    for number in 0..3 {
        let turns = Turns { number, repeats: 2, restart: true };
        let steps = paired_round(&mut running, &mut fresh, &rungs, turns).unwrap();
        let last = steps.last().unwrap();
        assert!(last.a.as_ref().unwrap().latency.is_some() && last.b.is_none());
        let speeds = |side| -> Vec<f64> {
            let speed = |step: &Step| step.get(side).as_ref().map(Pass::speed);
            steps[..efforts.len()].iter().filter_map(speed).collect()
        };
        let rewards = [Side::A, Side::B].map(|side| curve(&recalls, &speeds(side)).area(REWARD));
        assert!(rewards[0].value > 0.0 && rewards[0].complete == rewards[1].complete);
    }
}
