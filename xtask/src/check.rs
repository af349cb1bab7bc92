//! `cargo xtask subject check`: does a subject keep to the protocol?

use crate::bench::{Bench, absolute, cores, positive};
use anyhow::Result;
use crinoid_eval::{
    measure::{Grader, MeasureError, Preparations, QuerySplit, RunningSubject},
    subject::{Driver, Parameters},
};
use crinoid_pipeline::Recipe;
use std::{ffi::OsString, process::ExitCode};

/// Run a subject of your own through everything that the driver checks, on a small data set.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                        cargo xtask subject check\n  \
                        cargo xtask subject check -- python3 crates/eval/peers/exact.py\n  \
                        cargo xtask subject check -- target/release/xtask subject\n\n\
                        Exit code 3 when it does not keep to crates/eval/PROTOCOL.md.")]
pub(crate) struct Args {
    /// A preset of the generator, or a file.
    #[arg(long, default_value = "embedded")]
    data: String,
    /// Answers per query.
    #[arg(long, default_value_t = 10, value_parser = positive)]
    k: usize,
    /// The command that starts the subject [default: this program with the default recipe].
    #[arg(last = true)]
    command: Vec<OsString>,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let bench = Bench::open(&self.data, self.k)?;
        let launch = match self.command.split_first() {
            Some((program, arguments)) => {
                let arguments = arguments.iter().map(absolute).collect();
                bench.launch("subject", absolute(program).into(), arguments)?
            }
            None => bench.ours("subject", &Recipe::default().to_string(), &[])?,
        };
        match self.talk(&bench, &launch) {
            Ok(()) => {
                println!("it keeps to the protocol");
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => {
                println!("FAILED  {error}");
                Ok(ExitCode::from(3))
            }
        }
    }

    fn talk(
        &self,
        bench: &Bench,
        launch: &crinoid_eval::subject::Launch,
    ) -> Result<(), MeasureError> {
        let fault = |fault| MeasureError::Fault { subject: "subject".to_owned(), fault };
        let greeted = Driver::launch(launch).map_err(fault)?;
        let hello = greeted.hello().clone();
        println!("ok  hello: {} {}, {}", hello.name, hello.version, hello.isa);
        greeted.stop().map_err(fault)?;
        println!("ok  stop");
        let preparations = Preparations {
            vectors: bench.vectors().to_owned(),
            build: Parameters::new(),
            search: Parameters::new(),
            threads: cores(),
            seed: 1,
        };
        let grader = Grader::new(&bench.data, &bench.truth)?;
        let mut running = RunningSubject::start("subject", launch, &preparations, grader)?;
        let (built, time) = (running.built().bytes, running.build_time());
        println!("ok  load and build: {built} bytes in {time:.1?}");
        // A tenth of the queries shows as much and leaves a slow subject time.
        let split = QuerySplit::split(&bench.data, 0.1, 1)
            .map_or_else(|_| QuerySplit::all(&bench.data), |(practice, _)| practice);
        let mut fresh = running.fresh(&split);
        let efforts = [self.k, 4 * self.k, 16 * self.k];
        for ef in efforts {
            running.observe(&split, self.k, ef)?;
            for _ in 0..3 {
                running.ask_again(&split, self.k, ef)?;
                running.pass(&fresh.batch()?, self.k, ef, false)?;
            }
            let seen = running.observed(&split, self.k, ef)?;
            println!(
                "ok  search, ef {ef}: recall@{} {:.4}, {} missing answers, the same four times",
                self.k,
                seen.recall(),
                seen.gaps
            );
        }
        running.observe(&split, 1, self.k)?;
        println!("ok  search, k 1");
        if hello.latencies {
            running.pass(&fresh.batch()?, self.k, self.k, true)?;
            println!("ok  latencies agree with the clock");
        }
        running.check(&split, self.k, &efforts)?;
        println!("ok  answers new queries as well and as fast: it keeps and knows no answers");
        println!("ok  one thread on its core, no work between requests, no file changed");
        running.rebuild()?;
        println!("ok  the same index again");
        running.restart()?;
        running.ask_again(&split, self.k, self.k)?;
        let how = if hello.stores { "from a file" } else { "built again" };
        println!("ok  the same index and answers in a new process ({how})");
        running.stop()
    }
}
