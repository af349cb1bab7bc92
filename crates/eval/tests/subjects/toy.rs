//! A subject that is a child process of the test: this executable itself.
//!
//! It scans the first `8 ef` rows of a fixed permutation, so that more effort finds more, and it
//! can misbehave in every way that the driver must notice.

use crinoid_eval::{
    data::random::Random,
    exact::distance,
    subject::{
        Asked, Built, Found, Hello, Parameters, Refusal, RefusalKind, System, Work, integer, only,
        serve,
    },
};
use crinoid_files::bin;
use crinoid_quant::{Metric, Vectors};
use std::{
    collections::{HashMap, HashSet},
    io::{self, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

/// Ways to misbehave; the first behaves.
pub(crate) const MANNERS: &[&str] = &[
    "good",
    "hangs",
    "crashes",
    "exits",
    "closes",
    "floods-stdout",
    "floods-stderr",
    "long-line",
    "garbage",
    "wrong-reply",
    "unasked",
    "old-version",
    "miscounts-rows",
    "miscounts-answers",
    "no-answers-file",
    "short-file",
    "out-of-range",
    "duplicates",
    "gap",
    "too-few",
    "other-answers",
    "other-counters",
    "other-digest",
    "order-dependent",
    "caches",
    "boasts",
    "complains",
    "hoards",
    "refuses",
    "looks-for-truth",
    "reads-truth",
    "stores",
    "pipe",
    "link",
    "folder",
    "second-name",
    "late",
    "helper",
    "detached-helper",
    "wanders",
    "overwrites",
    "careful",
    "sloppy",
    "caches-large",
];

/// How long helpers would stay if nobody ended them: numbers that no other process has.
pub(crate) const HELPERS: [&str; 2] = ["3131.71", "3131.72"];

fn every_core() -> rustix::thread::CpuSet {
    let mut cores = rustix::thread::CpuSet::new();
    (0..64).for_each(|core| cores.set(core));
    cores
}

/// Runs as a subject until the driver says stop.
pub(crate) fn main(manner: &str) -> io::Result<()> {
    let mut toy = Toy { manner: manner.to_owned(), ..Toy::default() };
    if manner == "floods-stderr" {
        for line in 0..20_000 {
            writeln!(io::stderr(), "noise, line {line}")?;
        }
    }
    serve(&mut toy, io::stdin().lock(), io::stdout())
}

#[derive(Default)]
struct Toy {
    manner: String,
    base: Option<(Vectors, Metric)>,
    order: Vec<u32>,
    calls: u64,
    builds: u64,
    kept: HashMap<(Vec<u32>, usize, usize), Vec<u32>>,
    hoard: Vec<Vec<u8>>,
    met: HashSet<Vec<u32>>,
    efforts: HashSet<usize>,
}

impl Toy {
    fn is(&self, manner: &str) -> bool {
        self.manner == manner
    }

    fn say(&self, line: &str) {
        let mut out = io::stdout();
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).unwrap();
    }

    /// What the files that it must not know say about this query.
    fn known(&self, query: &[f32]) -> Option<Vec<u32>> {
        let [queries, truth] = ["../../queries.fbin", "../../truth.ibin"].map(Path::new);
        let queries = bin::read::<f32>(queries).ok()?;
        let at = queries.values.chunks_exact(queries.dim).position(|known| known == query)?;
        let truth = bin::read::<u32>(truth).ok()?;
        Some(truth.values[at * truth.dim..(at + 1) * truth.dim].to_vec())
    }

    /// Whether this answer comes out of what was kept: large requests only, where it hides that it
    /// keeps answers from those that are small.
    fn keeps(&self, queries: usize) -> bool {
        self.is("caches") || (self.is("caches-large") && queries > 50)
    }

    /// The effort that it makes in place of the one it was asked for.
    fn effort(&mut self, asked: &Asked<'_>, ef: usize) -> usize {
        let bits = |row: &[f32]| row.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
        let known = asked.queries.rows().any(|row| self.met.contains(&bits(row)));
        self.met.extend(asked.queries.rows().map(bits));
        let first = self.efforts.insert(ef);
        match self.manner.as_str() {
            // Whoever asks at an effort for the first time wants to know the recall.
            "careful" if first || known => 4 * ef,
            // Who asks what was asked before does, too; others only look at the clock.
            "sloppy" if !first && !known => (ef / 4).max(1),
            _ => ef,
        }
    }

    /// What stands in the place of the answers file, and a reply as if all were well.
    fn misplace(&self, queries: usize, k: usize) {
        let path = Path::new("answers.ibin");
        match self.manner.as_str() {
            "pipe" => drop(Command::new("mkfifo").arg(path).status().unwrap()),
            "link" => std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
            "folder" => std::fs::create_dir(path).unwrap(),
            "second-name" => {
                std::fs::write("elsewhere", vec![0; 8 + 4 * queries * k]).unwrap();
                std::fs::hard_link("elsewhere", path).unwrap();
            }
            _ => {}
        }
        self.say(&format!("{{\"reply\":\"search\",\"answered\":{queries}}}\n"));
        // Until it is ended.
        loop {
            std::thread::park();
        }
    }

    /// The answers to one query, nearest first, and how many rows were looked at.
    fn scan(&self, query: &[f32], k: usize, ef: usize) -> (Vec<u32>, u64) {
        let (base, metric) = self.base.as_ref().unwrap();
        let rows = &self.order[..(8 * ef.max(k)).min(self.order.len())];
        let mut near: Vec<(f64, u32)> = rows
            .iter()
            .map(|&row| (distance(*metric, base.row(row as usize), query), row))
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        (near.iter().take(k).map(|&(_, row)| row).collect(), rows.len() as u64)
    }
}

impl System for Toy {
    fn hello(&self) -> Hello {
        if self.is("old-version") {
            self.say("{\"reply\":\"hello\",\"protocol\":99,\"name\":\"old\"}\n");
        }
        Hello {
            protocol: 1,
            name: "toy".into(),
            version: "1".into(),
            isa: "scalar".into(),
            deterministic: !self.is("admits-chance"),
            counters: true,
            latencies: true,
            stores: self.is("stores"),
        }
    }

    fn load(&mut self, base: Vectors, metric: Metric) -> Result<(), Refusal> {
        if self.is("refuses") {
            return Err(Refusal::new(RefusalKind::Load, "I do not like these"));
        }
        if self.is("looks-for-truth") {
            // Whatever it was told or given must not lead to the truth.
            let told = std::env::args().chain(std::env::vars().map(|(name, value)| name + &value));
            let hints = told.filter(|text| text.contains("truth") && !text.contains("looks-for"));
            let files = std::fs::read_dir(".").unwrap().count();
            if hints.count() + files > 0 {
                return Err(Refusal::new(RefusalKind::Internal, "found the truth"));
            }
        }
        self.order = (0..base.len() as u32).collect();
        Random::stream(7, 7, 7).shuffle(&mut self.order);
        if self.is("miscounts-rows") {
            self.say("{\"reply\":\"load\",\"rows\":1,\"dim\":1}\n");
        }
        self.base = Some((base, metric));
        Ok(())
    }

    fn build(&mut self, params: &Parameters, _: usize, seed: u64) -> Result<Built, Refusal> {
        only(params, &["m"])?;
        self.builds += 1;
        match self.manner.as_str() {
            "crashes" => {
                eprintln!("about to abort");
                std::process::abort()
            }
            "exits" => std::process::exit(0),
            "hoards" => loop {
                self.hoard.push(vec![1; 8 << 20]);
            },
            // `sleep` stands for whatever a helper would do; nobody waits for it.
            "helper" => {
                drop(Command::new("sleep").arg(HELPERS[0]).process_group(0).spawn().unwrap())
            }
            "detached-helper" => {
                let script = format!("env -i setsid sleep {} & exit 0", HELPERS[1]);
                let quiet = || Stdio::null();
                let mut shell = Command::new("sh");
                shell.args(["-c", &script]).stdin(quiet()).stdout(quiet()).stderr(quiet());
                assert!(shell.status().unwrap().success());
            }
            "overwrites" => {
                let places = ["../base.fbin", "../../base.fbin"].map(Path::new);
                let file = places.into_iter().find(|file| file.exists()).unwrap();
                let mut bytes = std::fs::read(file).unwrap();
                bytes[100..200].fill(0);
                std::fs::write(file, bytes).unwrap();
            }
            _ => {}
        }
        let changing = if self.is("other-digest") { self.builds } else { 0 };
        let digest = Some(format!("{seed}-{changing}"));
        Ok(Built { bytes: 4 * self.order.len() as u64, digest, ..Built::default() })
    }

    fn save(&self, path: &Path) -> Result<(), Refusal> {
        let (base, _) = self.base.as_ref().unwrap();
        bin::write_vectors(path, base).map_err(|e| Refusal::new(RefusalKind::Store, e))
    }

    /// An index that was not built says so: it has no bytes.
    fn open(&mut self, path: &Path) -> Result<Built, Refusal> {
        let rows = bin::read::<f32>(path).map_err(|e| Refusal::new(RefusalKind::Store, e))?;
        let base = Vectors::new(rows.values, rows.dim).unwrap();
        self.load(base, Metric::L2)?;
        Ok(Built { digest: Some("1-0".into()), ..Built::default() })
    }

    fn search(&mut self, asked: &Asked<'_>, found: &mut Found) -> Result<(), Refusal> {
        only(asked.params, &["ef"])?;
        let (ef, k) = (integer(asked.params, "ef", 10)?, asked.k);
        self.calls += 1;
        match self.manner.as_str() {
            "hangs" => loop {
                std::thread::park();
            },
            "closes" => std::process::exit(7),
            "floods-stdout" => loop {
                self.say("{\"reply\":\"stop\"}\n");
            },
            "long-line" => loop {
                self.say("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
            },
            "garbage" => self.say("hello, I am not JSON\n"),
            "wrong-reply" => self.say("{\"reply\":\"load\",\"rows\":1,\"dim\":1}\n"),
            "miscounts-answers" => self.say("{\"reply\":\"search\",\"answered\":1}\n"),
            "pipe" | "link" | "folder" | "second-name" | "late" => {
                self.misplace(asked.queries.len(), k)
            }
            "wanders" => rustix::thread::sched_setaffinity(None, &every_core()).unwrap(),
            "no-answers-file" => return Err(Refusal::new(RefusalKind::Search, "lost them")),
            _ => {}
        }
        let mut work = Work::default();
        let made = self.effort(asked, ef);
        let keeps = self.keeps(asked.queries.len());
        let rows = self.order.len() as u32;
        for (place, query) in asked.queries.rows().enumerate() {
            let start = Instant::now();
            let key = (query.iter().map(|x| x.to_bits()).collect(), k, ef);
            let (mut ids, looked) = match self.kept.get(&key) {
                // What is looked up costs nothing, and says so only to this test.
                Some(ids) if keeps => {
                    work.hops += self.is("caches-large") as u64;
                    (ids.clone(), (8 * ef.max(k)) as u64)
                }
                _ => self.scan(query, k, made),
            };
            if let Some(known) = self.known(query).filter(|_| self.is("reads-truth")) {
                ids = known[..k].to_vec();
            }
            if keeps || self.is("caches-large") {
                self.kept.insert(key, ids.clone());
            }
            match self.manner.as_str() {
                "out-of-range" if place == 3 => ids[0] = rows,
                "duplicates" if place == 3 => ids[1] = ids[0],
                "gap" if place == 3 => ids[0] = u32::MAX,
                "too-few" => ids.truncate(k - 1),
                "other-answers" if self.calls > 1 && place == 3 => ids.swap(0, 1),
                "order-dependent" if place == 0 => ids.swap(0, 1),
                _ => {}
            }
            work.hops += !self.is("caches-large") as u64;
            work.distances += looked.min(u64::from(rows));
            found.push(k, ids.into_iter());
            if asked.latencies {
                let nanos = start.elapsed().as_nanos() as u32;
                found.latencies.push(match self.manner.as_str() {
                    "boasts" => nanos / 50,
                    "complains" => nanos.saturating_add(1_000_000_000),
                    _ => nanos,
                });
            }
        }
        if self.is("other-counters") {
            work.hops += self.calls;
        }
        if self.is("short-file") {
            // One query's answers are missing from the file, and the reply knows nothing of it.
            found.ids.truncate(found.ids.len() - k);
            found.work = Some(work);
            return Ok(());
        }
        if self.is("unasked") {
            self.say("\n");
        }
        found.work = Some(work);
        Ok(())
    }
}
