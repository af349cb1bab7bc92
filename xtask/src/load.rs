//! A machine whose memory is at work: what a server is like that searches with all its cores.
//!
//! On an idle machine whoever reads scattered rows fares better beside whoever reads long runs than he will
//! in service. So a process of its own, on the cores that are not measured, adds to a gigabyte of numbers and reads it at
//! random, in turns, while the rounds run.

use crate::bench::cores;
use anyhow::{Context, Result, bail};
use crinoid_eval::subject::keep_off;
use crinoid_quant::random::hash;
use std::{
    hint::black_box,
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// Numbers of all threads together: a gigabyte.
const NUMBERS: usize = 1 << 27;

/// Numbers that are added to before some are read at random: 64 MB.
const STREAMED: usize = 1 << 23;

/// Numbers that are read at random then.
const READ: usize = 1 << 20;

/// Loads the memory until it is told to stop, or whoever started it is gone.
#[derive(clap::Args)]
pub(crate) struct Args {}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let threads = cores().saturating_sub(1);
        if threads == 0 {
            bail!("a machine of one core cannot be measured and loaded at once");
        }
        keep_off(threads);
        let (stop, ready) = (&AtomicBool::new(false), &Barrier::new(threads + 1));
        let began = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|at| scope.spawn(move || work(at, threads, ready, stop)))
                .collect();
            ready.wait();
            let began = Instant::now();
            println!("ready");
            io::stdout().flush()?;
            // Ends with the pipe, too.
            io::stdin().read_to_end(&mut Vec::new())?;
            stop.store(true, Ordering::Relaxed);
            let seconds = began.elapsed().as_secs_f64();
            let done = workers.into_iter().filter_map(|worker| worker.join().ok());
            let turns = done.sum::<usize>() as f64 / seconds;
            // Each number is read and written.
            let streamed = turns * (16 * STREAMED) as f64 / 1e9;
            let read = turns * READ as f64 / 1e6;
            println!(
                "{threads} more core(s) streamed {streamed:.1} GB/s and read {read:.1} million numbers a second at random"
            );
            Ok::<_, io::Error>(())
        });
        began?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Streams and reads; how often.
fn work(at: usize, threads: usize, ready: &Barrier, stop: &AtomicBool) -> usize {
    let mut numbers = vec![1.0f64; NUMBERS / threads];
    ready.wait();
    let (mut turns, mut from, mut sum) = (0, 0, 0.0);
    while !stop.load(Ordering::Relaxed) {
        let to = (from + STREAMED).min(numbers.len());
        numbers[from..to].iter_mut().for_each(|number| *number += 1.0);
        from = if to == numbers.len() { 0 } else { to };
        for step in 0..READ {
            let place = hash(at as u64, (turns * READ + step) as u64) as usize % numbers.len();
            sum += numbers[place];
        }
        turns += 1;
    }
    black_box(sum);
    turns
}

/// The process that does it.
pub(crate) struct Load {
    process: Child,
    input: Option<ChildStdin>,
    said: BufReader<ChildStdout>,
}

impl Load {
    /// Starts it, and waits until its memory is there.
    pub(crate) fn start() -> Result<Self> {
        let this = std::env::current_exe().context("finding this program")?;
        let mut command = Command::new(this);
        command.arg("memory-load").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("starting what loads the memory")?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            bail!("no pipes to what loads the memory");
        };
        let mut load = Self { process, input: Some(input), said: BufReader::new(output) };
        match load.line()?.as_str() {
            "ready" => Ok(load),
            _ => bail!("the memory could not be loaded"),
        }
    }

    /// Stops it; what it did.
    pub(crate) fn stop(mut self) -> Result<String> {
        self.input = None;
        let said = self.line()?;
        Ok(format!("the memory was loaded meanwhile: {said}"))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.said.read_line(&mut line).context("listening to what loads the memory")?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_goes_on_until_it_is_stopped() {
        let (stop, ready) = (AtomicBool::new(false), Barrier::new(2));
        let turns = std::thread::scope(|scope| {
            let worker = scope.spawn(|| work(0, 64, &ready, &stop));
            ready.wait();
            stop.store(true, Ordering::Relaxed);
            worker.join().unwrap()
        });
        assert!(turns <= 1, "{turns}");
    }
}
