//! `cargo xtask graph`: is a graph sound?

use crate::{bar::Bar, bench::EMBEDDED, tables};
use anyhow::Result;
use crinoid_eval::Dataset;
use crinoid_graph::{Params, diagnose};
use crinoid_pipeline::{BuildOptions, Index, Recipe};
use std::process::ExitCode;

/// Build a graph and examine it: components, reachability, degrees, diameter.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask graph\n  \
                        cargo xtask graph --recipe sq8@1/hnsw-closest@1/pool@1/float@1 --m 32\n\n\
                        Exit code 1 when some node cannot be reached from the entry.")]
pub(crate) struct Args {
    /// The recipe whose graph is built.
    #[arg(long, default_value_t)]
    recipe: Recipe,
    /// A preset of the generator, or a file.
    #[arg(long, default_value = EMBEDDED)]
    data: String,
    /// Links per node.
    #[arg(long, default_value_t = 16)]
    m: usize,
    /// Effort of the construction.
    #[arg(long, default_value_t = 200)]
    ef_construction: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Print the diagnosis as JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let data = Dataset::load(&self.data)?;
        let graph = Params {
            m: self.m,
            ef_construction: self.ef_construction,
            seed: self.seed,
            ..Params::default()
        };
        let options =
            BuildOptions::default().recipe(self.recipe.clone()).metric(data.metric).graph(graph);
        let bar = Bar::spin(&format!("building {}", self.recipe.graph()));
        let index = Index::build(&data.base, &options, &());
        drop(bar);
        let index = index?;
        let diagnosis = diagnose(index.graph());
        let sound = diagnosis.is_reachable();
        if self.json {
            println!("{}", serde_json::to_string_pretty(&diagnosis)?);
            return Ok(ExitCode::from(u8::from(!sound)));
        }
        println!(
            "{} on {}: {} nodes of {} rows, {:.1} MB of links, digest {:016x}",
            self.recipe.graph(),
            data.name,
            diagnosis.nodes,
            index.len(),
            diagnosis.bytes as f64 / 1e6,
            index.digest(),
        );
        let mut table = tables::numbers([
            "level",
            "nodes",
            "links",
            "degree",
            "components",
            "largest",
            "below 1 %",
            "unreachable",
            "no in-link",
            "most in-links",
            "diameter >=",
        ]);
        for level in &diagnosis.levels {
            table.add_row([
                level.level.to_string(),
                level.nodes.to_string(),
                level.links.to_string(),
                format!("{:.1}", level.mean_degree()),
                level.components.len().to_string(),
                format!("{:.2} %", level.largest_share() * 100.0),
                level.small_components.to_string(),
                level.unreachable.to_string(),
                level.without_in_links.to_string(),
                level.max_in_degree.to_string(),
                level.diameter.to_string(),
            ]);
        }
        println!("{table}");
        match sound {
            true => println!("every node can be reached from the entry"),
            false => println!("WARNING: some nodes cannot be reached from the entry"),
        }
        Ok(ExitCode::from(u8::from(!sound)))
    }
}
