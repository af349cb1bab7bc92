//! Links for questions that no row resembles.
//!
//! A graph links rows to their neighbours. Where the answers to a query are not each other's neighbours, a
//! walk finds one of them and not the next: under the inner product, whose answers are the long rows in
//! the direction of the query, wherever they lie; and where queries come from elsewhere than rows, as
//! texts do that ask for code. So rows that answer the same question are linked as well (RoarGraph, Chen
//! et al. 2024): questions of the caller's where there are some, and under the inner product the rows
//! themselves, seen from their middle, and their opposites.

use crinoid_graph::{Graph, GraphError, queries::link_queries};
use crinoid_quant::{Metric, Space, Vectors, random};
use crinoid_search::exact;
use rayon::prelude::*;

/// Answers of a question that are linked.
const ANSWERS: usize = 40;

/// Products of rows that made-up questions may cost.
const PRODUCTS: usize = 400_000_000;

/// A sample of queries whose median distance to its nearest row is so many times that among rows comes
/// from elsewhere.
const ELSEWHERE: f32 = 1.5;

/// Seed of the rows that are asked.
const SEED: u64 = 0x11_4C5;

/// `graph`, with up to `extra` links more per node where the metric or the sample asks for them.
pub(super) fn between_answers(
    graph: Graph,
    space: &dyn Space,
    prepared: &Vectors,
    metric: Metric,
    asked: Option<&Vectors>,
    extra: usize,
) -> Result<Graph, GraphError> {
    if extra == 0 || prepared.len() < 2 {
        return Ok(graph);
    }
    let mut answers = Vec::new();
    if let Some(asked) = asked
        && (metric == Metric::InnerProduct || is_from_elsewhere(prepared, metric, asked))
    {
        answers.extend(ask(prepared, metric, asked));
    }
    if metric == Metric::InnerProduct {
        let questions = made_up(prepared);
        answers.extend(ask(prepared, metric, &questions));
    }
    match answers.is_empty() {
        true => Ok(graph),
        false => link_queries(&graph, space, &answers, extra),
    }
}

fn ask(prepared: &Vectors, metric: Metric, questions: &Vectors) -> Vec<Vec<u32>> {
    let nearest = exact::nearest_all(prepared, metric, questions, ANSWERS);
    nearest.iter().map(|near| near.iter().map(|one| one.id).collect()).collect()
}

/// Rows and their opposites, seen from the middle: adding a vector to all rows changes no order of inner
/// products, but where rows lie on one side of the origin it hides which of them are extreme. The middle is the
/// median of each dimension: a mean lies where a few huge values are, and from there all rows look alike.
fn made_up(prepared: &Vectors) -> Vectors {
    let (len, dim) = (prepared.len(), prepared.dim());
    let rows = (PRODUCTS / len / 2).clamp(64, len.max(64));
    let ids = random::sample(SEED, len, rows);
    let median = |place: usize| -> f32 {
        let mut values: Vec<f32> = ids.iter().map(|&id| prepared.row(id as usize)[place]).collect();
        let half = values.len() / 2;
        *values.select_nth_unstable_by(half, f32::total_cmp).1
    };
    let middle: Vec<f32> = (0..dim).into_par_iter().map(median).collect();
    let mut values = Vec::with_capacity(2 * ids.len() * dim);
    for sign in [1.0, -1.0] {
        for &id in &ids {
            let row = prepared.row(id as usize).iter().zip(&middle);
            values.extend(row.map(|(&x, &m)| sign * (x - m)));
        }
    }
    Vectors::new(values.as_slice(), dim).unwrap_or_default()
}

/// Whether questions lie farther from the rows than these from each other.
fn is_from_elsewhere(prepared: &Vectors, metric: Metric, asked: &Vectors) -> bool {
    const SAMPLE: usize = 64;
    let some = |vectors: &Vectors| -> Vectors {
        let ids = random::sample(SEED, vectors.len(), SAMPLE);
        let rows: Vec<&[f32]> = ids.iter().map(|&id| vectors.row(id as usize)).collect();
        Vectors::from_rows(&rows).unwrap_or_default()
    };
    let median = |questions: &Vectors, place: usize| -> f32 {
        let nearest = exact::nearest_all(prepared, metric, questions, place + 1);
        let mut far: Vec<f32> =
            nearest.iter().filter_map(|near| Some(near.get(place)?.distance)).collect();
        far.sort_unstable_by(f32::total_cmp);
        far.get(far.len() / 2).copied().unwrap_or(0.0)
    };
    // A row's own neighbours begin behind itself.
    median(&some(asked), 0) > ELSEWHERE * median(&some(prepared), 1)
}
