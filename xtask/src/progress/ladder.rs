//! Where one starts and what one changes, step by step: the optimisations as toggles.

use anyhow::{Context, Result};
use crinoid_pipeline::{BuildOptions, Preset, Recipe, SearchOptions};
use crinoid_quant::{Level, Metric};

/// Everything that a step may change.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Setup {
    pub(super) build: BuildOptions,
    pub(super) search: SearchOptions,
    /// The SIMD level; the best there is where `None`.
    pub(super) isa: Option<Level>,
}

type Edit = Box<dyn Fn(&mut Setup) -> Result<()>>;

/// One optimisation.
pub(super) struct Step {
    name: String,
    /// Whether it stays for the steps after it. What was tried and not kept is measured alone.
    kept: bool,
    edit: Edit,
}

/// A start and the steps up from it.
pub(super) struct Ladder {
    pub(super) title: String,
    pub(super) start: Setup,
    pub(super) steps: Vec<Step>,
    /// Whether the beam is swept, so that speeds are compared at equal recall; else everything is
    /// measured as it is set up.
    pub(super) sweep: bool,
    pub(super) notes: Vec<&'static str>,
}

/// One rung: the start, a step alone, or all steps up to one.
#[derive(Clone, Debug)]
pub(super) struct Rung {
    pub(super) label: String,
    pub(super) setup: Setup,
}

impl Ladder {
    /// The start, each step alone, then one step after the other. What is set up as an earlier rung
    /// was is the same rung under a second label.
    pub(super) fn rungs(&self) -> Result<Vec<Rung>> {
        let mut rungs = vec![Rung { label: "start".to_owned(), setup: self.start.clone() }];
        for step in &self.steps {
            let setup = step.on(&self.start)?;
            rungs.push(Rung { label: format!("{} alone", step.name), setup });
        }
        let mut setup = self.start.clone();
        for step in self.steps.iter().filter(|step| step.kept) {
            setup = step.on(&setup)?;
            rungs.push(Rung { label: format!("+ {}", step.name), setup: setup.clone() });
        }
        Ok(rungs)
    }

    /// From the predecessor of each module to its champion (Table 4 of the CRINN paper), or from
    /// `start` by `steps` (`module=version`).
    pub(super) fn modules(
        metric: Metric,
        start: Option<Recipe>,
        steps: &[String],
        (m, ef_construction): (usize, usize),
    ) -> Result<Self> {
        use crinoid_graph::versions as graph;
        use crinoid_refine::versions as refine;
        use crinoid_search::versions as search;
        let predecessor = || {
            [
                crinoid_quant::versions::CHAMPION,
                graph::PREDECESSOR,
                search::PREDECESSOR,
                refine::PREDECESSOR,
            ]
        };
        let recipe = start.map_or_else(|| predecessor().join("/").parse(), Ok)?;
        let champions = [
            ("graph", graph::CHAMPION),
            ("search", search::CHAMPION),
            ("refine", refine::CHAMPION),
        ];
        let champions = champions.map(|(module, version)| format!("{module}={version}"));
        let steps = if steps.is_empty() { &champions[..] } else { steps };
        let steps = steps.iter().map(|step| {
            let (module, version) =
                step.split_once('=').with_context(|| format!("`{step}` is not MODULE=VERSION"))?;
            recipe.with(module, version)?;
            let (module, version) = (module.to_owned(), version.to_owned());
            Ok(Step::new(format!("{module} {version}"), move |setup| set(setup, &module, &version)))
        });
        let mut build =
            BuildOptions::default().metric(metric).recipe(recipe.clone()).unchecked(true);
        build.graph.m = m;
        build.graph.ef_construction = ef_construction;
        Ok(Self {
            title: format!("module by module from {recipe}"),
            steps: steps.collect::<Result<_>>()?,
            start: Setup { build, search: SearchOptions::new(10, 10), isa: None },
            sweep: true,
            notes: Vec::new(),
        })
    }

    /// CRINN's modules on what it started from, GLASS (Table 4 of its paper).
    pub(super) fn crinn(metric: Metric, params: (usize, usize)) -> Result<Self> {
        let start = "sq8@1/hnsw@1/pool@1/float@1".parse()?;
        let steps = ["graph=hnsw-crinn@1", "search=crinn@1"].map(str::to_owned);
        let notes = vec![
            "the paper's third step, prefetching while it rescores, is no step here: every refiner \
             has it",
        ];
        let title = "CRINN's modules, from GLASS's".to_owned();
        Ok(Self { title, notes, ..Self::modules(metric, Some(start), &steps, params)? })
    }

    /// The record: from its baseline to what it shipped, in its order.
    pub(super) fn record(metric: Metric, dim: usize) -> Result<Self> {
        let (start, ship) =
            (preset("record-baseline", metric, dim)?, preset("record-ship", metric, dim)?);
        let start = Setup { isa: Some(Level::Portable), ..start };
        let graph = |from_to: &'static [(&str, &str)]| {
            move |setup: &mut Setup| {
                let to = from_to.iter().find(|(from, _)| *from == setup.build.recipe.graph());
                to.map_or(Ok(()), |(_, to)| set(setup, "graph", to))
            }
        };
        let (denser, finer) = (ship.clone(), ship.clone());
        let steps = vec![
            Step::new("sorted pool (fix 1)", |s| set(s, "search", "pool@1")),
            Step::new("Algorithm 4, backfill (fix 2)", move |s| {
                s.build.graph.backfill = true;
                graph(&[("hnsw-closest@1", "hnsw-narrow@1")])(s)
            }),
            Step::new(
                "2 M on the base layer (fix 2b)",
                graph(&[
                    ("hnsw-closest@1", "hnsw-closest-wide@1"),
                    ("hnsw-narrow@1", "hnsw-ordered@1"),
                ]),
            ),
            Step::new(
                "shuffled (fix 3)",
                graph(&[
                    ("hnsw-closest@1", "hnsw-closest-shuffled@1"),
                    ("hnsw-ordered@1", "hnsw@1"),
                ]),
            ),
            Step::new("M 64, efC 800", move |s| {
                s.build.graph.m = denser.build.graph.m;
                s.build.graph.ef_construction = denser.build.graph.ef_construction;
                Ok(())
            }),
            Step::tried("asymmetric, its formula (fix 5)", |s| set(s, "quant", "record-asym@1")),
            Step::tried("asymmetric, unbiased (fix 5 repaired)", |s| set(s, "quant", "rabitq1@1")),
            Step::new("float rescoring (fix 5.5)", move |s| {
                s.search.k = finer.search.k;
                s.search.fine_pool = finer.search.fine_pool;
                set(s, "refine", "int8@1+float@1")
            }),
            Step::new("discovery rate (fix 4)", |s| set(s, "search", "discovery@1")),
            Step::new("SIMD (fix 6)", |s| {
                s.isa = None;
                Ok(())
            }),
        ];
        let notes = vec![
            "fix 1: the start has heaps, generation stamps and no allocation already; the record's \
             sorted arrays and sets were not rebuilt. What is left of it is the pool",
            "efS 200 to 400 and fix 7 (adaptive ef) are no steps: with 1,000 candidates asked for, \
             the beam is 1,000 wide whatever ef says",
            "the phase-0 fixes (renormalised truncation, no silent minimum of lengths) cannot be \
             switched off: there is one query path, and it is the corrected one",
        ];
        Ok(Self { title: "the record, fix by fix".to_owned(), start, steps, sweep: false, notes })
    }

    /// From what the record shipped to the best recipe of ours for the same task.
    pub(super) fn ours(metric: Metric, dim: usize) -> Result<Self> {
        let start = preset("record-ship", metric, dim)?;
        let best = preset("retriever", metric, dim)?;
        let (codes, graph) = (best.clone(), best.clone());
        let search = best.clone();
        let steps = vec![
            Step::new("4-bit codes", move |s| set(s, "quant", &codes.build.recipe.codecs())),
            Step::new("our graph", move |s| {
                s.build.graph = graph.build.graph;
                set(s, "graph", graph.build.recipe.graph())
            }),
            Step::new("our search", move |s| set(s, "search", search.build.recipe.search())),
            Step::new("few candidates, floats at once", move |s| {
                s.search = best.search;
                set(s, "refine", &best.build.recipe.refine().join("+"))
            }),
        ];
        let title = "from the record's ship configuration to the preset `retriever`".to_owned();
        Ok(Self { title, start, steps, sweep: false, notes: Vec::new() })
    }
}

impl Step {
    fn new(name: impl Into<String>, edit: impl Fn(&mut Setup) -> Result<()> + 'static) -> Self {
        Self { name: name.into(), kept: true, edit: Box::new(edit) }
    }

    fn tried(name: &str, edit: impl Fn(&mut Setup) -> Result<()> + 'static) -> Self {
        Self { kept: false, ..Self::new(name, edit) }
    }

    fn on(&self, setup: &Setup) -> Result<Setup> {
        let mut setup = setup.clone();
        (self.edit)(&mut setup)?;
        Ok(setup)
    }
}

fn set(setup: &mut Setup, module: &str, version: &str) -> Result<()> {
    setup.build.recipe = setup.build.recipe.with(module, version)?;
    Ok(())
}

fn preset(name: &str, metric: Metric, dim: usize) -> Result<Setup> {
    let preset = Preset::find(name)?;
    let (build, search) = (preset.build_options(metric, dim)?, preset.search_options());
    Ok(Setup { build, search, isa: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rung_of_each_ladder_is_the_preset_it_leads_to() {
        for (ladder, name) in [
            (Ladder::record(Metric::Cosine, 384).unwrap(), "record-ship"),
            (Ladder::ours(Metric::Cosine, 384).unwrap(), "retriever"),
        ] {
            let rungs = ladder.rungs().unwrap();
            let end = preset(name, Metric::Cosine, 384).unwrap();
            assert_eq!(rungs.last().unwrap().setup, end);
            let kept = ladder.steps.iter().filter(|step| step.kept).count();
            assert_eq!(rungs.len(), 1 + ladder.steps.len() + kept);
            // Each step changes something, alone and on top of the others.
            for pair in rungs[1 + ladder.steps.len()..].windows(2) {
                assert_ne!(pair[0].setup, pair[1].setup, "{}", pair[1].label);
            }
            for rung in &rungs[1..] {
                assert_ne!(rung.setup, ladder.start, "{}", rung.label);
            }
        }
    }

    #[test]
    fn each_of_crinns_modules_is_measured_alone_and_on_the_other() {
        let rungs = Ladder::crinn(Metric::L2, (16, 200)).unwrap().rungs().unwrap();
        let recipes: Vec<String> =
            rungs.iter().map(|rung| rung.setup.build.recipe.to_string()).collect();
        let expected = [
            "sq8@1/hnsw@1/pool@1/float@1",
            "sq8@1/hnsw-crinn@1/pool@1/float@1",
            "sq8@1/hnsw@1/crinn@1/float@1",
            "sq8@1/hnsw-crinn@1/pool@1/float@1",
            "sq8@1/hnsw-crinn@1/crinn@1/float@1",
        ];
        assert_eq!(recipes, expected);
    }

    #[test]
    fn modules_go_from_predecessors_to_champions() {
        let ladder = Ladder::modules(Metric::L2, None, &[], (16, 200)).unwrap();
        let rungs = ladder.rungs().unwrap();
        assert_eq!(rungs.len(), 7);
        let own = ["search=heap@1".to_owned()];
        let ladder = Ladder::modules(Metric::L2, Some(Recipe::default()), &own, (8, 100)).unwrap();
        let last = ladder.rungs().unwrap().pop().unwrap().setup.build;
        assert_eq!((last.recipe.search(), last.graph.m), ("heap@1", 8));
        let wrong = ["search=heap@9".to_owned()];
        assert!(Ladder::modules(Metric::L2, None, &wrong, (16, 200)).is_err());
    }
}
