//! The command line over eval and evolve.
fn main() {}
