//! Drives a body in an ordinary test: the committed corpus first, then a seeded stream of bytes.

use std::{
    cell::RefCell,
    fs,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    path::Path,
    sync::Once,
};

thread_local! {
    /// What the last panic of this thread said.
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics of libraries, which ours catch, are not printed, only remembered.
fn be_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            LAST.set(panic.to_string());
            if panic.location().is_none_or(|place| !place.file().contains("/registry/src/")) {
                print(panic);
            }
        }));
    });
}

/// splitmix64.
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = 1 + self.next() as usize % most;
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// A bounded number of inputs for one body.
pub struct Drive {
    /// The name of its target.
    pub target: &'static str,
    /// How many inputs, times `CRINOID_FUZZ` where that is set.
    pub rounds: usize,
    /// The most bytes of an input.
    pub bytes: usize,
    /// Threads, each with a stream of its own.
    pub threads: usize,
}

impl Drive {
    /// Runs `body`; says how many inputs there were and how many of them were accepted.
    pub fn run(&self, body: impl Fn(&[u8]) -> bool + Sync) -> (usize, usize) {
        be_quiet();
        let checked = |input: &[u8]| {
            let outcome = catch_unwind(AssertUnwindSafe(|| body(input)));
            outcome.unwrap_or_else(|_| {
                panic!("{} breaks on {input:?}: {}", self.target, LAST.take());
            })
        };
        let corpus = corpus(self.target);
        let of_corpus = corpus.iter().filter(|input| checked(input)).count();
        let times = std::env::var("CRINOID_FUZZ").ok().and_then(|times| times.parse().ok());
        let each = self.rounds.saturating_mul(times.unwrap_or(1)) / self.threads;
        let work = |seed| {
            let mut stream = Stream(seed);
            (0..each).filter(|_| checked(&stream.bytes(self.bytes))).count()
        };
        let accepted = std::thread::scope(|scope| {
            let worker = |seed| scope.spawn(move || work(seed));
            let workers: Vec<_> = (0..self.threads as u64).map(worker).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum::<usize>()
        });
        (corpus.len() + each * self.threads, of_corpus + accepted)
    }
}

/// The committed inputs of a target: `fuzz/corpus/TARGET/*`; what once broke something is among them.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no corpus");
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}
