//! Options that many commands have.

use clap::{
    Arg, Args, Command, Error,
    builder::{PossibleValue, TypedValueParser},
};
use crinoid::Metric;
use std::ffi::OsStr;

/// More threads than any machine has cores to run.
const MAX_THREADS: usize = 4_096;

/// What every command knows.
#[derive(Args)]
pub(crate) struct Global {
    /// Prints JSON: one object, or one a line where there are several.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Draws no progress bars. They are not drawn where nobody watches in any case.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Threads to use [default: all].
    #[arg(long, global = true, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<usize>,
}

fn threads(text: &str) -> Result<usize, String> {
    let told = || format!("`{text}` is no number of threads from 1 to {MAX_THREADS}");
    text.parse().ok().filter(|n| (1..=MAX_THREADS).contains(n)).ok_or_else(told)
}

/// Reads a metric by any of its names, and tells shells and the help the usual ones.
#[derive(Clone)]
pub(crate) struct Metrics;

impl TypedValueParser for Metrics {
    type Value = Metric;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Metric, Error> {
        let parse = |name: &str| name.parse::<Metric>();
        parse.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(Metric::ALL.into_iter().map(|metric| PossibleValue::new(metric.name()))))
    }
}

/// Where the vectors of a file are.
#[derive(Args, Default)]
pub(crate) struct Columns {
    /// The column, field, array, tensor or data set that holds the vectors, where several could.
    #[arg(long = "vector", value_name = "COLUMN")]
    pub(crate) vector: Option<String>,
    /// The column or field that names the rows (Parquet, Arrow, JSON lines).
    #[arg(long, value_name = "COLUMN")]
    pub(crate) ids: Option<String>,
}
