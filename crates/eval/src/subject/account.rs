//! Does what a subject uses fit one thread that works while it is asked?

use super::Fault;
use std::time::Duration;

/// Clocks of the system tick in hundredths of a second, and a process has housekeeping to do.
const ROUNDING: Duration = Duration::from_millis(150);

/// One thread cannot use more than the time that passes; this much more may be rounding.
const THREAD: f64 = 1.2;

/// Work after a reply, as a share of the time of the searches.
const AFTERWARDS: f64 = 0.25;

/// What all searches of a subject together took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    /// By the driver's clock.
    elapsed: Duration,
    /// By the processor's, while it was asked to search.
    cpu: Duration,
    /// And from the reply to the next request.
    idle: Duration,
    /// Processor time up to the last reply to a search.
    last: Option<Duration>,
}

impl Account {
    /// Something else is asked: what is used for that counts neither way.
    pub(super) fn pause(&mut self) {
        self.last = None;
    }

    /// Adds a search that took `elapsed` and used `cpu`, after the subject had used `before` in all.
    pub(super) fn add(
        &mut self,
        before: Duration,
        cpu: Duration,
        elapsed: Duration,
    ) -> Result<(), Fault> {
        self.idle += self.last.map_or(Duration::ZERO, |last| before.saturating_sub(last));
        self.last = Some(before + cpu);
        self.cpu += cpu;
        self.elapsed += elapsed;
        let Self { elapsed, cpu, idle, .. } = *self;
        if cpu > elapsed.mul_f64(THREAD) + ROUNDING {
            return Err(Fault::Threads { cpu, elapsed });
        }
        if idle > elapsed.mul_f64(AFTERWARDS) + ROUNDING {
            return Err(Fault::WorksBetween { idle, elapsed });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches of 20 ms with so much processor time in them and after each.
    fn searches(inside: u64, after: u64) -> Result<(), Fault> {
        let mut account = Account::default();
        let mut used = Duration::from_secs(7);
        for _ in 0..100 {
            let inside = Duration::from_millis(inside);
            account.add(used, inside, Duration::from_millis(20))?;
            used += inside + Duration::from_millis(after);
        }
        Ok(())
    }

    #[test]
    fn one_thread_that_rests_between_its_searches_is_let_be() {
        assert!(searches(20, 0).is_ok());
        assert!(searches(3, 2).is_ok());
        assert!(searches(22, 4).is_ok());
    }

    #[test]
    fn two_threads_and_work_behind_the_clocks_back_are_noticed() {
        assert!(matches!(searches(40, 0), Err(Fault::Threads { .. })));
        assert!(matches!(searches(20, 20), Err(Fault::WorksBetween { .. })));
    }

    #[test]
    fn saving_the_index_is_no_work_behind_the_clocks_back() {
        let mut account = Account::default();
        let second = Duration::from_secs(1);
        account.add(second, second, second).unwrap();
        account.pause();
        account.add(9 * second, second, second).unwrap();
    }
}
