//! A subject and every process that it started: what they used, where they run, how they end.
//!
//! A subject may start helpers, and helpers may leave its process group, its session, its parent. So the
//! driver looks at who descends from whom before and after each request, and makes itself the reaper
//! of orphans: whoever outlives their parent becomes a child of the driver, which knows its own
//! children. Only Linux tells all this; elsewhere a tree is one process about which nothing is known.

use std::{collections::BTreeMap, time::Duration};

/// The variable that tells whose process one is; children inherit it.
pub(super) const MARK: &str = "CRINOID_SUBJECT";

/// What a tree has used so far, as the system counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Time on any core, children that ended included.
    pub(super) cpu: Duration,
    /// Time in which the subject itself was ready to run and had no core.
    pub(super) waited: Duration,
    /// Resident bytes now.
    pub(super) resident: u64,
}

/// A process and its descendants.
pub(super) struct Tree {
    root: u32,
    mark: String,
    /// All that were ever seen and may live, with the moment of their birth: numbers are used again.
    members: BTreeMap<u32, u64>,
    /// Processor time of each, those included that are gone.
    used: BTreeMap<u32, Duration>,
}

impl Tree {
    /// The numbers of all that were ever seen, the subject's among them.
    pub(super) fn members(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.members.keys().copied()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Tree, Usage};
    use rustix::{
        process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid},
        thread::{CpuSet, sched_getaffinity},
    };
    use std::{
        collections::BTreeSet,
        fs,
        sync::{Mutex, PoisonError},
        time::Duration,
    };

    /// Members of all trees of this process: they are nobody else's.
    static MEMBERS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

    /// A tick of the process clock in `/proc/PID/stat`: a hundredth of a second on every Linux that
    /// user space can see.
    const TICK: Duration = Duration::from_millis(10);

    /// Fields of `/proc/PID/stat`, counted from the state, which follows the name in brackets.
    struct Stat {
        state: String,
        parent: u32,
        group: u32,
        session: u32,
        cpu: Duration,
        born: u64,
    }

    impl Stat {
        fn of(pid: u32) -> Option<Self> {
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
            let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
            let ticks: u64 = (11..15).filter_map(number).sum();
            Some(Self {
                state: (*fields.first()?).to_owned(),
                parent: u32::try_from(number(1)?).ok()?,
                group: u32::try_from(number(2)?).ok()?,
                session: u32::try_from(number(3)?).ok()?,
                cpu: TICK * u32::try_from(ticks).unwrap_or(u32::MAX),
                born: number(19)?,
            })
        }
    }

    fn numbers(folder: &str) -> Vec<u32> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// A field of `/proc/PID/status`, in bytes; 0 where the system does not tell.
    fn status_field(pid: u32, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.unwrap_or(0) * 1024
    }

    fn pid(number: u32) -> Option<Pid> {
        Pid::from_raw(i32::try_from(number).ok()?)
    }

    impl Tree {
        pub(in super::super) fn of(root: u32, mark: String) -> Self {
            // Where this is refused, orphans go to somebody else and are not noticed.
            let _ = set_child_subreaper(Some(getpid()));
            let mut tree =
                Self { root, mark, members: Default::default(), used: Default::default() };
            if let Some(stat) = Stat::of(root) {
                tree.members.insert(root, stat.born);
                MEMBERS.lock().unwrap_or_else(PoisonError::into_inner).insert(root);
            }
            tree
        }

        /// Whether `pid` is still the process that was seen under this number.
        fn lives(&self, pid: u32) -> Option<Stat> {
            let born = self.members.get(&pid)?;
            Stat::of(pid).filter(|stat| stat.born == *born)
        }

        /// Finds whoever has joined. Only the subject that is asked has reason to start anybody, so an
        /// orphan from another session is taken to be its.
        pub(in super::super) fn look(&mut self) {
            let here = getpid().as_raw_nonzero().get().unsigned_abs();
            // Zero in a container whose session began outside: no process at all, and no `Pid`.
            let session = Stat::of(here).map_or(0, |stat| stat.session);
            let mut taken = MEMBERS.lock().unwrap_or_else(PoisonError::into_inner);
            let all: Vec<(u32, Stat)> = numbers("/proc")
                .into_iter()
                .filter(|pid| !taken.contains(pid))
                .filter_map(|pid| Some((pid, Stat::of(pid)?)))
                .collect();
            let orphan = |pid: u32, stat: &Stat| {
                // Children that this process started for other ends are in its own session.
                stat.parent == here
                    && (stat.session != session || stat.group == self.root || self.marked(pid))
            };
            let mut found: Vec<u32> =
                all.iter().filter(|(pid, stat)| orphan(*pid, stat)).map(|(pid, _)| *pid).collect();
            loop {
                let descends = |pid: u32, parent: u32| {
                    !found.contains(&pid)
                        && (self.members.contains_key(&parent) || found.contains(&parent))
                };
                let more = all.iter().find(|(pid, stat)| descends(*pid, stat.parent));
                let Some((pid, _)) = more else { break };
                found.push(*pid);
            }
            for (pid, stat) in all.iter().filter(|(pid, _)| found.contains(pid)) {
                self.members.insert(*pid, stat.born);
                taken.insert(*pid);
            }
        }

        fn marked(&self, pid: u32) -> bool {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let wanted = format!("{}={}", super::MARK, self.mark);
            environment.split(|&byte| byte == 0).any(|entry| entry == wanted.as_bytes())
        }

        /// What all of them have used.
        pub(in super::super) fn usage(&mut self) -> Usage {
            self.look();
            let mut usage = Usage::default();
            let members: Vec<u32> = self.members.keys().copied().collect();
            for pid in members {
                let Some(stat) = self.lives(pid) else { continue };
                // To the nanosecond from the threads that live, to the tick from all there ever were.
                let mut precise = Duration::ZERO;
                for thread in numbers(&format!("/proc/{pid}/task")) {
                    let path = format!("/proc/{pid}/task/{thread}/schedstat");
                    let text = fs::read_to_string(path).unwrap_or_default();
                    let mut fields =
                        text.split_whitespace().map(|field| field.parse().unwrap_or(0));
                    precise += Duration::from_nanos(fields.next().unwrap_or(0));
                    if pid == self.root {
                        usage.waited += Duration::from_nanos(fields.next().unwrap_or(0));
                    }
                }
                self.used.insert(pid, precise.max(stat.cpu));
                usage.resident += status_field(pid, "VmRSS:");
            }
            usage.cpu = self.used.values().sum();
            usage
        }

        /// The most bytes that the subject itself ever had in memory.
        pub(in super::super) fn peak(&self) -> u64 {
            status_field(self.root, "VmHWM:")
        }

        /// A member one of whose threads may run elsewhere than on `core`.
        pub(in super::super) fn strays_from(&self, core: usize) -> Option<u32> {
            self.members.keys().copied().find(|&pid| {
                numbers(&format!("/proc/{pid}/task")).into_iter().any(|thread| {
                    let cores: Option<CpuSet> =
                        self::pid(thread).and_then(|thread| sched_getaffinity(Some(thread)).ok());
                    cores.is_some_and(|cores| cores.count() != 1 || !cores.is_set(core))
                })
            })
        }

        /// Members beside the subject itself that live.
        pub(in super::super) fn helpers(&mut self) -> usize {
            self.look();
            let alive = |pid: &&u32| {
                **pid != self.root && self.lives(**pid).is_some_and(|stat| stat.state != "Z")
            };
            self.members.keys().filter(alive).count()
        }

        /// Ends all of them, and whoever they start meanwhile.
        pub(in super::super) fn kill(&mut self) {
            for _ in 0..16 {
                self.look();
                let living: Vec<u32> =
                    self.members.keys().copied().filter(|&pid| self.lives(pid).is_some()).collect();
                let mut left = false;
                for number in living {
                    let Some(pid) = pid(number) else { continue };
                    // An error means that it has ended already.
                    let _ = kill_process(pid, Signal::KILL);
                    // The subject itself is collected by who started it.
                    left |= number != self.root
                        && !matches!(waitpid(Some(pid), WaitOptions::NOHANG), Ok(Some(_)));
                }
                if !left {
                    break;
                }
                std::thread::yield_now();
            }
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let mut taken = MEMBERS.lock().unwrap_or_else(PoisonError::into_inner);
            self.members.keys().for_each(|pid| {
                taken.remove(pid);
            });
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Tree {
    pub(super) fn look(&mut self) {}

    pub(super) fn of(root: u32, mark: String) -> Self {
        Self { root, mark, members: BTreeMap::new(), used: BTreeMap::new() }
    }

    pub(super) fn usage(&mut self) -> Usage {
        Usage::default()
    }

    pub(super) fn peak(&self) -> u64 {
        0
    }

    pub(super) fn strays_from(&self, _core: usize) -> Option<u32> {
        None
    }

    pub(super) fn helpers(&mut self) -> usize {
        0
    }

    pub(super) fn kill(&mut self) {
        let _ = (self.root, &self.mark, &self.members, &self.used);
    }
}
