//! The bodies of the fuzz targets, driven by a seeded stream for a bounded number of rounds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

#[path = "../../../fuzz/bodies/mod.rs"]
mod bodies;

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

/// Rounds of a test, times `CRINOID_FUZZ` where that is set.
fn rounds(least: usize) -> usize {
    let times = std::env::var("CRINOID_FUZZ").ok().and_then(|times| times.parse().ok());
    least.saturating_mul(times.unwrap_or(1))
}

/// How many of `rounds` inputs were accepted.
fn drive(rounds: usize, most: usize, seed: u64, body: impl Fn(&[u8]) -> bool) -> usize {
    let mut stream = Stream(seed);
    (0..rounds).filter(|_| body(&stream.bytes(most))).count()
}

#[test]
fn changed_containers_are_refused_or_answer_sensibly() {
    let (mut accepted, threads, all) = (0, 2, rounds(20_000));
    std::thread::scope(|scope| {
        let work = |seed| move || drive(all / threads as usize, 40, seed, bodies::container::run);
        let workers: Vec<_> = (0..threads).map(|seed| scope.spawn(work(seed))).collect();
        accepted = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    });
    assert!(accepted > all / 20 && accepted < all, "{accepted} of {all} were accepted");
}

#[test]
fn texts_are_refused_or_print_as_they_were_read() {
    drive(rounds(20_000), 12, 7, bodies::texts::run);
}

#[test]
fn a_collection_is_what_a_map_is() {
    drive(rounds(12), 400, 11, bodies::collection::run);
}
