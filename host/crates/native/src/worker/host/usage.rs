//! What a worker uses of the machine, and its bounds.
//!
//! The system's own limits are coarse, or count for a user instead of a process, or do not exist. So
//! the host reads a worker's usage a few times a second.

use std::fs;
use std::time::Duration;

use plugbay_core::{CallErrorKind, Policy};

use super::death::Death;
use crate::worker::link::segment;

/// The memory of a worker before its plugin uses any: its program and the C library. Its lanes are
/// not counted in.
const BASE: u64 = 16 << 20;
/// How many threads a plugin may start; twice the number of cores if that is more.
const THREADS: u64 = 64;

/// What a process uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    /// Bytes in memory, in swap, and in page tables.
    pub(super) memory: u64,
    pub(super) threads: u64,
}

/// What the processes of one plugin have used, one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    /// CPU time.
    pub(super) cpu: Duration,
    /// The most memory of one of them that was seen, in bytes.
    pub(super) peak_memory: u64,
}

impl Spent {
    /// What all of them have used, and one that follows.
    pub(super) fn and(self, next: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_add(next.cpu),
            peak_memory: self.peak_memory.max(next.peak_memory),
        }
    }
}

/// The CPU time of the process `pid` and of the processes that it waited for; `None` if it is reaped, or if there
/// is no `/proc`.
pub(super) fn cpu_time(pid: u32) -> Option<Duration> {
    parse_cpu_time(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The fields 14 to 17, `utime` to `cstime`, of `proc_pid_stat(5)`. The second is the name of the program, which may
/// contain anything, and ends at the last parenthesis.
fn parse_cpu_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let mut ticks = 0_u64;
    for _ in 0..4 {
        ticks = ticks.saturating_add(times.next()?.parse().ok()?);
    }
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_millis(ticks.saturating_mul(1000) / per_second))
}

/// What the process `pid` uses; `None` if it is dead, or if there is no `/proc`.
pub(super) fn of(pid: u32) -> Option<Usage> {
    parse(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse(status: &str) -> Option<Usage> {
    let value = |key: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let kibibytes = value("VmRSS")?
        + ["VmSwap", "VmPTE", "HugetlbPages"].into_iter().filter_map(value).sum::<u64>();
    Some(Usage { memory: kibibytes * 1024, threads: value("Threads")? })
}

/// The most that a worker may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    memory: u64,
    threads: u64,
}

impl Bounds {
    pub(super) fn of(policy: &Policy, lanes: usize) -> Self {
        let base = BASE + segment::size(lanes) as u64;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // One thread for each lane, the main thread, and the one that waits for the host's end.
        let own = lanes as u64 + 2;
        Self {
            memory: policy.total_memory.saturating_add(base),
            threads: own + THREADS.max(2 * cores as u64),
        }
    }

    /// Why the worker must be killed, if it uses too much.
    pub(super) fn exceeded(&self, usage: Usage) -> Option<Death> {
        let Self { memory, threads } = self;
        let killed = |kind, used: String| {
            Death::new(kind, format!("the worker used {used}, and was killed"))
        };
        if usage.memory > *memory {
            let used = format!("{} bytes of memory of at most {memory}", usage.memory);
            return Some(killed(CallErrorKind::Memory, used));
        }
        let used = format!("{} threads of at most {threads}", usage.threads);
        (usage.threads > *threads).then(|| killed(CallErrorKind::Crashed, used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_in_swap_and_page_tables_is_counted() {
        let status = "Name:\tVmRSS\nVmPeak:\t 9000 kB\nVmRSS:\t  100 kB\nRssFile:\t 20 kB\n\
                      VmPTE:\t    8 kB\nVmSwap:\t   30 kB\nHugetlbPages:\t    2 kB\nThreads:\t7\n";
        assert_eq!(parse(status), Some(Usage { memory: 140 * 1024, threads: 7 }));
        // A dead process has no memory.
        assert_eq!(parse("Name:\tdead\nState:\tZ (zombie)\nThreads:\t1\n"), None);
    }

    #[test]
    fn cpu_times_are_found_behind_any_name_of_a_program() {
        let tick = Duration::from_millis(1000 / rustix::param::clock_ticks_per_second());
        let stat = "7 (a) 1 (b) S 1 7 7 0 -1 4194560 9 8 7 6 100 20 3 4 20 0 1 0 55 0 0";
        assert_eq!(parse_cpu_time(stat), Some(tick * 127));
        assert_eq!(parse_cpu_time("7 (a"), None);
        assert_eq!(parse_cpu_time("7 (a) S 1 x"), None);
    }

    #[test]
    fn this_process_uses_something() {
        let usage = of(std::process::id()).unwrap();
        assert!(usage.memory > 100 << 10 && usage.threads > 0, "{usage:?}");
    }

    #[test]
    fn too_much_is_named() {
        let bounds = Bounds { memory: 100, threads: 5 };
        let of = |memory, threads| bounds.exceeded(Usage { memory, threads });
        assert_eq!(of(100, 5), None);
        let death = of(101, 9).unwrap();
        assert_eq!(death.kind, CallErrorKind::Memory);
        assert_eq!(
            of(0, 6).unwrap().message,
            "the worker used 6 threads of at most 5, and was killed"
        );
    }
}
