//! What shows only over several requests.

use crate::{Test, hostile};
use crinoid_eval::{
    Dataset, Truth,
    data::{Rows, bin},
    measure::{
        Exam, Grader, MeasureError, Pair, Preparations, Rung, Side, Station, Step, Sweep, curve,
        round, sweep,
    },
    reward::REWARD,
    subject::{Fault, Launch, Parameters},
    truth::exact,
};
use crinoid_quant::Metric;
use std::path::PathBuf;

pub(crate) const TESTS: &[Test] = &[
    ("stations::inconstancy_is_noticed", inconstancy_is_noticed),
    ("stations::cached_answers_are_noticed", cached_answers_are_noticed),
    ("stations::knowing_the_truth_is_noticed", knowing_the_truth_is_noticed),
    ("stations::boasting_is_noticed", boasting_is_noticed),
    ("stations::another_digest_is_noticed", another_digest_is_noticed),
    ("stations::an_index_is_built_once_and_kept", an_index_is_built_once_and_kept),
    ("stations::two_stations_at_one_process", two_stations_at_one_process),
    ("stations::a_duel_of_equals_has_equal_recalls_and_work", a_duel_of_equals),
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
        crinoid_eval::data::bin::write_vectors(&file, &self.data.base).unwrap();
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

    fn station(&self, manner: &str) -> Station<'_> {
        let (launch, preparations, grader) = self.ready(manner);
        Station::start(manner, &launch, &preparations, grader).unwrap()
    }
}

fn inconstancy_is_noticed() {
    let room = Room::new(400);
    for (manner, what) in [
        ("other-answers", "an answer"),
        ("order-dependent", "an answer"),
        ("other-counters", "a counter"),
    ] {
        let mut station = room.station(manner);
        let exam = Exam::all(&room.data);
        station.pass(&exam, 5, 8, false).unwrap();
        let error = station.pass(&exam, 5, 8, false).unwrap_err();
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
    let exam = Exam::all(&room.data);
    for (manner, caught) in [("good", false), ("caches", true)] {
        let mut station = room.station(manner);
        let fresh = station.fresh(&exam, 5).unwrap();
        let checked = station.check_memory(&fresh, 2500, 2500);
        let found = matches!(checked, Err(MeasureError::Fault { fault: Fault::Cached { .. }, .. }));
        assert_eq!(found, caught, "{manner}: {checked:?}");
    }
}

fn knowing_the_truth_is_noticed() {
    let room = Room::new(2000);
    let (queries, k) = (&room.data.queries, room.truth.k());
    bin::write_vectors(&room.folder.path().join("queries.fbin"), queries).unwrap();
    let rows = (0..queries.len()).flat_map(|query| room.truth.ids_of(query).to_vec());
    let ids: Vec<u32> = rows.collect();
    let truth = Rows { dim: k, values: ids.as_slice().into() };
    bin::write(&room.folder.path().join("truth.ibin"), &truth).unwrap();
    let exam = Exam::all(&room.data);
    for (manner, caught) in [("good", false), ("reads-truth", true)] {
        let mut station = room.station(manner);
        let fresh = station.fresh(&exam, k).unwrap();
        // 800 of 2,000 rows are looked at, so a search finds about 40 %.
        let recall = station.observe(&exam, k, 100).unwrap().recall();
        assert_eq!(recall > 0.99, caught, "{manner}: {recall}");
        let checked = station.check_memory(&fresh, 100, 100);
        let found =
            matches!(checked, Err(MeasureError::Fault { fault: Fault::KnowsTruth { .. }, .. }));
        assert_eq!(found, caught, "{manner}: {checked:?}");
    }
}

fn boasting_is_noticed() {
    let room = Room::new(20_000);
    let exam = Exam::all(&room.data);
    let mut station = room.station("boasts");
    let error = station.pass(&exam, 5, 2500, true).unwrap_err();
    assert!(matches!(error, MeasureError::Fault { fault: Fault::LiesAboutTime { .. }, .. }));
}

fn another_digest_is_noticed() {
    let room = Room::new(100);
    for (manner, caught) in [("good", false), ("other-digest", true)] {
        let mut station = room.station(manner);
        assert_eq!(station.rebuild().is_err(), caught, "{manner}");
        if !caught {
            station.restart().unwrap();
        }
        station.stop().unwrap();
    }
}

fn an_index_is_built_once_and_kept() {
    let room = Room::new(300);
    let exam = Exam::all(&room.data);
    let kept = room.folder.path().join("kept");
    let (launch, preparations, grader) = room.ready("stores");
    let start = || Station::start_with("stores", &launch, &preparations, grader, &kept).unwrap();
    let mut first = start();
    assert!(first.built().bytes > 0 && kept.exists());
    let recall = first.observe(&exam, 5, 8).unwrap().recall();
    let mut second = start();
    assert_eq!((second.built().bytes, &second.built().digest), (0, &first.built().digest));
    assert_eq!(second.observe(&exam, 5, 8).unwrap().recall(), recall);
    second.restart().unwrap();
    second.pass(&exam, 5, 8, false).unwrap();
    // One that does not store builds, and leaves nothing behind.
    let absent = room.folder.path().join("absent");
    let (launch, preparations, grader) = room.ready("good");
    Station::start_with("good", &launch, &preparations, grader, &absent).unwrap();
    assert!(!absent.exists());
}

fn two_stations_at_one_process() {
    let room = Room::new(300);
    let exam = Exam::all(&room.data);
    // Its counters tell how often the process was asked.
    let mut one = room.station("other-counters");
    let hops = |station: &mut Station<'_>| station.observe(&exam, 5, 8).unwrap().hops().unwrap();
    let first = hops(&mut one);
    let mut other = one.beside("the other", Parameters::new());
    assert!(hops(&mut other) > first);
    one.restart().unwrap();
    let error = one.pass(&exam, 5, 8, false).unwrap_err();
    assert!(matches!(error, MeasureError::Fault { subject, .. } if subject == "other-counters"));
    other.stop().unwrap();
    // Alone again, it begins anew.
    one.restart().unwrap();
    one.pass(&exam, 5, 8, false).unwrap();
    one.stop().unwrap();
}

fn a_duel_of_equals() {
    let room = Room::new(400);
    let (practice, held_out) = Exam::split(&room.data, 0.3, 1).unwrap();
    assert_eq!((practice.len(), held_out.len()), (18, 42));
    let [mut a, mut b] = ["good", "good"].map(|manner| room.station(manner));
    let plan = Sweep { least: 5, most: 64, inside: 6, up_to: 0.999 };
    let seen = sweep(&mut a, &practice, 5, &plan, |_, _| {}).unwrap();
    assert!(seen.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{seen:?}");
    let efforts = plan.worth_timing(&seen);
    let observe = |station: &mut Station<'_>| -> Vec<(f64, Option<f64>)> {
        let look = |&ef| station.observe(&held_out, 5, ef).map(|o| (o.recall(), o.distances()));
        efforts.iter().map(look).collect::<Result<_, _>>().unwrap()
    };
    let (left, right) = (observe(&mut a), observe(&mut b));
    assert_eq!(left, right);
    let rung = |&ef| Rung { k: 5, ef: Pair { a: Some(ef), b: Some(ef) }, latencies: false };
    let mut rungs: Vec<Rung> = efforts.iter().map(rung).collect();
    rungs.push(Rung { ef: Pair { a: Some(efforts[0]), b: None }, latencies: true, ..rungs[0] });
    let recalls: Vec<f64> = left.iter().map(|seen| seen.0).collect();
    let mut stations = Pair { a: &mut a, b: &mut b };
    for number in 0..3 {
        let steps = round(&mut stations, &held_out, &rungs, number, 2).unwrap();
        let last = steps.last().unwrap();
        assert!(last.a.as_ref().unwrap().latency.is_some() && last.b.is_none());
        let speeds = |side| -> Vec<f64> {
            let seconds = |step: &Step| step.get(side).as_ref().map(|pass| 1.0 / pass.seconds);
            steps[..efforts.len()].iter().filter_map(seconds).collect()
        };
        let rewards = [Side::A, Side::B].map(|side| curve(&recalls, &speeds(side)).area(REWARD));
        assert!(rewards[0].value > 0.0 && rewards[0].complete == rewards[1].complete);
    }
}
