//! Was a subject the same when it was timed as when it was graded?
//!
//! Nothing that is timed was ever asked before, so kept answers gain nothing. What remains are subjects
//! that guess what a request is for. After the rounds some of the timed answers, chosen by lot when they
//! had been given, are held against exact search; the cost of the queries that are graded is held
//! against that of the others; known queries and new ones are asked in turns; and the files that others
//! read are compared with what they were.

use super::{Fresh, MeasureError, QuerySplit, RunningSubject};
use crate::{
    data::{Dataset, random::Random},
    metrics::{RecallMetric, mean},
    subject::{Answers, Fault, Timed},
    truth::exact,
};
use crinoid_quant::Vectors;
use std::{
    fs::File,
    hash::{BuildHasher, RandomState},
    io::{self, Read, Write},
    path::Path,
};
use xxhash_rust::xxh3::Xxh3;

/// How many times longer new queries take where the answers to others are kept, at the least.
const CACHED: f64 = 2.0;

/// After so many passes without such a sign there is nothing to look for.
const CERTAIN: usize = 4;

/// And after so many a sign is one: a busy machine can delay a few.
const PATIENT: usize = 12;

/// How many times longer the queries take that a subject is graded on, where it tells them from
/// those that are timed. The first passes of a process are slower for everybody.
const CAREFUL: f64 = 1.75;

/// How much less it may find for new queries, beside what chance explains.
const KNOWN: f64 = 0.05;

/// Answers to timed queries that are kept, to be graded afterwards, at each effort.
const KEPT: usize = 200;

/// Some of the timed queries at one effort with their answers, chosen by lot after they were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    queries: Vec<f32>,
    ids: Vec<u32>,
    /// Of how many.
    asked: usize,
    /// The least processor time per query of a pass, in seconds.
    cpu: Option<f64>,
}

impl RunningSubject<'_> {
    /// Draws from the queries of a pass, so that each of all passes has the same chance to be graded.
    pub(super) fn keep(
        &mut self,
        queries: &Vectors,
        timed: &Timed<Answers>,
        (k, ef): (usize, usize),
    ) {
        let dim = queries.dim();
        let seed = RandomState::new().hash_one(ef);
        let mut random = Random::stream(seed, 0x4ee9, 0);
        let kept = self.kept.entry((k, ef)).or_default();
        for (query, ids) in queries.rows().zip(timed.value.ids.chunks_exact(k)) {
            kept.asked += 1;
            if kept.ids.len() < KEPT * k {
                kept.queries.extend_from_slice(query);
                kept.ids.extend_from_slice(ids);
                continue;
            }
            let place = random.below(kept.asked as u64) as usize;
            if place < KEPT {
                kept.queries[place * dim..(place + 1) * dim].copy_from_slice(query);
                kept.ids[place * k..(place + 1) * k].copy_from_slice(ids);
            }
        }
        let cpu = timed.cpu.as_secs_f64() / queries.len() as f64;
        if kept.cpu.is_none_or(|least| cpu < least) {
            kept.cpu = Some(cpu);
        }
    }

    /// After the passes: whether it treated what was timed like what was graded, whether it answers as it
    /// did before, whether it keeps answers, and whether the files are as they were. `efforts` are
    /// those that were timed, ascending.
    ///
    /// # Errors
    /// [`Fault::KnowsTruth`] where less is found of the queries that were timed, [`Fault::Careful`] where
    /// those that are graded take longer, [`Fault::Cached`] where new ones do,
    /// [`Fault::Nondeterministic`], [`Fault::Tampered`], or whatever else it does wrong.
    pub fn check(
        &mut self,
        split: &QuerySplit,
        k: usize,
        efforts: &[usize],
    ) -> Result<(), MeasureError> {
        let (Some(&least), Some(&most)) = (efforts.first(), efforts.last()) else { return Ok(()) };
        for ef in [least, efforts[efforts.len() / 2], most] {
            self.check_graded(split, k, ef)?;
        }
        self.check_care(split, k, efforts)?;
        for ef in [least, most] {
            self.observe(split, k, ef)?;
            self.ask_again(split, k, ef)?;
        }
        self.check_memory(split, k, most)?;
        self.check_files()
    }

    /// Holds the answers that were timed against exact search.
    fn check_graded(
        &mut self,
        split: &QuerySplit,
        k: usize,
        ef: usize,
    ) -> Result<(), MeasureError> {
        let data = self.grader.data();
        let (Some(kept), Ok(seen)) = (self.kept.get(&(k, ef)), self.observed(split, k, ef)) else {
            return Ok(());
        };
        // An exact scan of so many costs seconds at most.
        let affordable = (20_000_000_000 / (data.base.len() * data.dim()).max(1)).max(32);
        let graded = affordable.min(kept.ids.len() / k);
        let queries = Vectors::new(&kept.queries[..graded * data.dim()], data.dim())?;
        let ids = &kept.ids[..graded * k];
        let recall = timed_recall(data, &queries, ids, k)?;
        let (known, fresh) = (mean(&seen.grades.recall), mean(&recall));
        let error = (variance_of_mean(&seen.grades.recall) + variance_of_mean(&recall)).sqrt();
        if known - fresh > KNOWN + 2.0 * error {
            return Err(self.blame(Fault::KnowsTruth { known, fresh, ef }));
        }
        Ok(())
    }

    /// Whether the queries that are graded take longer than those that are timed. The pass that was graded was the
    /// first of a process, in cold memory, while the timed one is the fastest of many: where it took longer, the same
    /// queries are asked again before anybody is blamed. Who takes care of them takes it every time.
    fn check_care(
        &mut self,
        split: &QuerySplit,
        k: usize,
        efforts: &[usize],
    ) -> Result<(), MeasureError> {
        let costs = |&ef: &usize| {
            let graded = self.seen.get(&(split.name(), k, ef))?.cpu;
            let timed = self.kept.get(&(k, ef))?.cpu?;
            (timed > 0.0).then_some((ef, graded, timed))
        };
        let mut costs: Vec<(usize, f64, f64)> = efforts.iter().filter_map(costs).collect();
        for pass in 0..=CERTAIN {
            let mut ratios: Vec<f64> =
                costs.iter().map(|(_, graded, timed)| graded / timed).collect();
            ratios.sort_unstable_by(f64::total_cmp);
            match ratios.get(ratios.len().saturating_sub(1) / 2) {
                Some(&ratio) if ratio > CAREFUL && pass == CERTAIN => {
                    return Err(self.blame(Fault::Careful { ratio }));
                }
                Some(&ratio) if ratio > CAREFUL => {}
                _ => return Ok(()),
            }
            let known = split.queries();
            for (ef, graded, _) in &mut costs {
                let order = Fresh::new(&self.grader, split).order(known.len());
                let timed = self.search(known, &order, (k, *ef), false)?;
                *graded = graded.min(timed.cpu.as_secs_f64() / known.len() as f64);
            }
        }
        Ok(())
    }

    /// Asks known queries and new ones in turns, at the effort where a search takes longest: who keeps
    /// answers is faster with the former. Processor time is compared, where the system tells it, so that
    /// a busy machine changes nothing.
    fn check_memory(
        &mut self,
        split: &QuerySplit,
        k: usize,
        ef: usize,
    ) -> Result<(), MeasureError> {
        let mut fresh = Fresh::new(&self.grader, split);
        let (mut again, mut first) = (f64::INFINITY, f64::INFINITY);
        let cost = |timed: &Timed<Answers>, queries: usize| {
            let spent = if timed.cpu.is_zero() { timed.at_work() } else { timed.cpu };
            spent.as_secs_f64() / queries as f64
        };
        for before in 0..PATIENT {
            if before >= CERTAIN && first < CACHED * again {
                break;
            }
            let new = fresh.batch()?;
            let order = fresh.order(new.len());
            first = first.min(cost(&self.search(&new, &order, (k, ef), false)?, new.len()));
            let known = split.queries();
            let order = fresh.order(known.len());
            again = again.min(cost(&self.search(known, &order, (k, ef), false)?, known.len()));
        }
        let ratio = first / again;
        if ratio >= CACHED { Err(self.blame(Fault::Cached { ratio })) } else { Ok(()) }
    }

    /// Whether the vectors and the index that others read are as they were.
    fn check_files(&self) -> Result<(), MeasureError> {
        self.check_stored()?;
        let path = &self.preparations.vectors;
        let base = &self.grader.data().base;
        match holds(path, base) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.blame(Fault::Tampered { path: path.clone() })),
            Err(source) => Err(self.blame(Fault::File { path: path.clone(), source })),
        }
    }

    pub(super) fn check_stored(&self) -> Result<(), MeasureError> {
        match (&self.stored, self.digest) {
            (Some(path), Some(digest)) if self.file_digest(path)? != digest => {
                Err(self.blame(Fault::Tampered { path: path.clone() }))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn file_digest(&self, path: &Path) -> Result<u64, MeasureError> {
        let mut hash = Xxh3::new();
        let read = File::open(path).and_then(|mut file| io::copy(&mut file, &mut Sum(&mut hash)));
        match read {
            Ok(_) => Ok(hash.digest()),
            Err(source) => Err(self.blame(Fault::File { path: path.to_owned(), source })),
        }
    }
}

/// Bytes of a stream as a digest.
struct Sum<'a>(&'a mut Xxh3);

impl Write for Sum<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the fbin file at `path` holds exactly `vectors`.
fn holds(path: &Path, vectors: &Vectors) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut header = [0; 8];
    let values: &[u8] = bytemuck::cast_slice(vectors.as_slice());
    if file.metadata()?.len() != (header.len() + values.len()) as u64 {
        return Ok(false);
    }
    file.read_exact(&mut header)?;
    let shape = [vectors.len(), vectors.dim()].map(|size| (size as u32).to_le_bytes()).concat();
    let mut chunk = vec![0; 1 << 20];
    let mut same = header[..] == shape[..];
    for values in values.chunks(chunk.len()).take_while(|_| cfg!(target_endian = "little")) {
        let chunk = &mut chunk[..values.len()];
        file.read_exact(chunk)?;
        same &= chunk == values;
    }
    Ok(same)
}

/// Recall per query of answers to queries that belong to no data set.
fn timed_recall(
    data: &Dataset,
    queries: &Vectors,
    ids: &[u32],
    k: usize,
) -> Result<Vec<f64>, MeasureError> {
    let (metric, base) = (data.metric, data.base.clone());
    let truth = exact(metric, &base, queries, k, &())?;
    let asked = Dataset::new("timed", metric, base, queries.clone())?;
    let answers = crate::metrics::Answers::from_padded(ids, k)?;
    Ok(RecallMetric::new(&asked, &truth)?.recall(&answers, k)?)
}

/// How far a mean may be off, squared.
fn variance_of_mean(values: &[f64]) -> f64 {
    let (n, mean) = (values.len().max(2) as f64, mean(values));
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))
}
