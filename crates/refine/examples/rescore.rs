//! How much of the true top 10 a coarse order keeps, before and after refining.
//!
//! `cargo run --release -p crinoid-refine --example rescore`

#![allow(clippy::print_stdout, reason = "an example shows what it finds")]

use crinoid_quant::{
    Codes, Level, Metric, Neighbor, Scorer, Vectors,
    codec::{Float, Int8MaxAbs, Sign},
    isa::{self, Isa, OnIsa},
};
use crinoid_refine::{NoRefiner, Refiner, RefinerQuery, Rescore, Scratch};

struct Scan<'a>(&'a Sign, &'a <Sign as Codes>::Query);

impl OnIsa for Scan<'_> {
    type Output = Vec<Neighbor>;

    fn on<I: Isa>(self, isa: I) -> Vec<Neighbor> {
        let scorer = self.0.scorer(isa, self.1);
        let distance = |id| Neighbor::new(id, scorer.distance(scorer.key(id)));
        (0..self.0.len() as u32).map(distance).collect()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const DIM: usize = 64;
    let mut state = 1u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let values: Vec<f32> = (0..5_000 * DIM).map(|_| next()).collect();
    let query: Vec<f32> = (0..DIM).map(|_| next()).collect();
    let vectors = Vectors::new(values.as_slice(), DIM)?;

    // The coarse order: Hamming distance of sign bits.
    let codes = Sign::train(&vectors, Metric::L2);
    let mut signs = Default::default();
    codes.encode_query(&query, &mut signs);
    let mut coarse = isa::dispatch(Level::current(), Scan(&codes, &signs));
    coarse.sort_unstable();
    coarse.truncate(500);

    let float = Rescore::<Float>::new(&vectors, Metric::L2);
    let int8 = Rescore::<Int8MaxAbs>::new(&vectors, Metric::L2);
    let refiners: [&dyn Refiner; 3] = [&NoRefiner, &int8, &float];
    let distance = |id: u32| -> f32 {
        vectors.row(id as usize).iter().zip(&query).map(|(x, q)| (x - q) * (x - q)).sum()
    };
    let mut truth: Vec<_> =
        (0..vectors.len() as u32).map(|id| Neighbor::new(id, distance(id))).collect();
    truth.sort_unstable();

    let query = RefinerQuery { full: &query, prepared: &query };
    for refiner in refiners {
        let mut answer = coarse.clone();
        let report = refiner.refine(&query, 10, &mut Scratch::default(), &mut answer);
        let hits = answer.iter().filter(|a| truth[..10].iter().any(|t| t.id == a.id)).count();
        println!("{:8} {hits:2} of the true 10, {} ns", report.name, report.nanos);
    }
    Ok(())
}
