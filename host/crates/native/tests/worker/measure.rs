//! What a call into a worker costs, compared with the cheapest exchange between two processes.
//!
//! Prints and asserts nothing; in a release build, on a quiet machine:
//! `cargo test --release -p plugbay-native --test worker -- --ignored --nocapture measure`
//!
//! It measures a bare socket ping-pong with another process, a call, and, where there are two cores, a
//! memcpy to another thread and back through shared memory. For each it prints the median time with the
//! 10th and 90th percentile, and the mean CPU time of both ends together. It measures on any cores, on
//! one core, on two cores, with one call each millisecond, and while every core is busy.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::support::Host;

/// The argument that makes this program the other end of a bare socket pair.
pub(crate) const PARTNER: &str = "partner";
/// The argument that makes this program keep a core busy.
pub(crate) const BUSY: &str = "busy";

/// Sends back the bytes that it receives, `size` at a time, until the end.
pub(crate) fn partner(size: &str) -> ExitCode {
    let mut socket = UnixStream::from(rustix::io::dup(std::io::stdin()).unwrap());
    let mut bytes = vec![0; size.parse().unwrap()];
    while socket.read_exact(&mut bytes).is_ok() && socket.write_all(&bytes).is_ok() {}
    ExitCode::SUCCESS
}

/// Keeps a core busy until it is killed, or orphaned.
pub(crate) fn busy() -> ExitCode {
    let parent = std::os::unix::process::parent_id();
    while std::os::unix::process::parent_id() == parent {
        (0..1_000_000).for_each(|number| {
            std::hint::black_box(number);
        });
    }
    ExitCode::SUCCESS
}

/// This program, with arguments.
fn this_program(args: [&str; 2]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(args);
    command
}

/// Memory that two threads hand to each other.
struct Exchange {
    turn: AtomicU32,
    there: Mutex<Vec<u8>>,
    back: Mutex<Vec<u8>>,
}

impl Exchange {
    const OURS: u32 = 0;
    const THEIRS: u32 = 1;
    const OVER: u32 = 2;

    /// Waits until the turn differs from `turn`, and returns the new one.
    fn until_not(&self, turn: u32) -> u32 {
        let mut checks = 0_u32;
        loop {
            match self.turn.load(Ordering::Acquire) {
                now if now == turn => std::hint::spin_loop(),
                now => return now,
            }
            checks = checks.wrapping_add(1);
            if checks.is_multiple_of(10_000) {
                thread::yield_now();
            }
        }
    }

    fn serve(&self, size: usize) {
        let mut bytes = vec![0; size];
        while self.until_not(Self::OURS) == Self::THEIRS {
            bytes.copy_from_slice(&self.there.lock().unwrap());
            self.back.lock().unwrap().copy_from_slice(&bytes);
            self.turn.store(Self::OURS, Ordering::Release);
        }
    }

    fn exchange(&self, body: &[u8], back: &mut [u8]) {
        self.there.lock().unwrap().copy_from_slice(body);
        self.turn.store(Self::THEIRS, Ordering::Release);
        self.until_not(Self::THEIRS);
        back.copy_from_slice(&self.back.lock().unwrap());
    }
}

/// The CPU time that a process has used, up to the current time slices of its threads.
fn used(pid: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of = |stat: String| -> Option<u64> { stat.split(' ').next()?.parse().ok() };
    let times = tasks
        .filter_map(|task| of(std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?));
    Duration::from_nanos(times.sum())
}

/// Times that are measured in rounds.
struct Taken<'a> {
    what: &'static str,
    act: Box<dyn FnMut() + 'a>,
    /// The processes that take part.
    pids: Vec<u32>,
    means: Vec<Duration>,
    cpu: Duration,
}

impl<'a> Taken<'a> {
    fn new(what: &'static str, pids: Vec<u32>, act: impl FnMut() + 'a) -> Self {
        Self { what, act: Box::new(act), pids, means: Vec::new(), cpu: Duration::ZERO }
    }

    fn round(&mut self, calls: u32) {
        let used = || self.pids.iter().map(|pid| used(*pid)).sum::<Duration>();
        // Lets the processes of other rounds go to sleep again.
        thread::park_timeout(Duration::from_millis(1));
        let (before, begun) = (used(), Instant::now());
        (0..calls).for_each(|_| (self.act)());
        self.means.push(begun.elapsed() / calls);
        self.cpu += used().saturating_sub(before) / calls;
    }

    fn print(&mut self) {
        self.means.sort();
        let (rounds, time) = (self.means.len(), self.means[self.means.len() / 2]);
        let cpu = self.cpu / u32::try_from(rounds).unwrap();
        let (least, most) = (self.means[rounds / 10], self.means[rounds * 9 / 10]);
        let what = self.what;
        print!("  {what} {time:.2?} ({least:.2?} to {most:.2?}), CPU {cpu:.2?};");
    }
}

/// The cores on which this thread runs, and those on which the other threads and processes run.
#[derive(Clone, Copy)]
struct Cores {
    ours: &'static [usize],
    theirs: &'static [usize],
}

impl Cores {
    const ANY: Self = Self { ours: &[0, 1], theirs: &[0, 1] };
    const ONE: Self = Self { ours: &[0], theirs: &[0] };
    const TWO: Self = Self { ours: &[0], theirs: &[1] };

    fn pin(thread: Option<Pid>, cores: &[usize]) {
        let mut set = CpuSet::new();
        for core in cores {
            set.set(*core);
        }
        sched_setaffinity(thread, &set).unwrap();
    }

    fn pin_process(self, pid: u32) {
        for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
            let name = task.unwrap().file_name().into_string().unwrap();
            Self::pin(Pid::from_raw(name.parse().unwrap()), self.theirs);
        }
    }
}

fn sizes(host: &Host, cores: Cores, rounds: u32, sizes: &[(usize, u32)]) {
    Cores::pin(None, cores.ours);
    cores.pin_process(host.pid().unwrap());
    for &(size, calls) in sizes {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut partner = this_program([PARTNER, &size.to_string()])
            .stdin(OwnedFd::from(theirs))
            .spawn()
            .unwrap();
        cores.pin_process(partner.id());
        let exchange = Exchange {
            turn: AtomicU32::new(Exchange::OURS),
            there: Mutex::new(vec![0; size]),
            back: Mutex::new(vec![0; size]),
        };
        let (body, mut back, mut copy) = (vec![7; size], vec![0; size], vec![0; size]);
        let own = std::process::id();
        thread::scope(|scope| {
            let bare = Taken::new("bare", vec![own, partner.id()], || {
                ours.write_all(&body).unwrap();
                ours.read_exact(&mut back).unwrap();
            });
            let call = Taken::new("call", vec![own, host.pid().unwrap()], || {
                assert_eq!(host.echo(&body).unwrap().len(), size);
            });
            let mut all = [bare, call];
            for _ in 0..rounds {
                for taken in &mut all {
                    taken.round(calls);
                }
            }
            print!("{size} bytes:");
            all.iter_mut().for_each(Taken::print);
            if cores.ours != cores.theirs {
                // Pinned alone: the thread that serves it never sleeps.
                scope.spawn(|| {
                    Cores::pin(None, cores.theirs);
                    exchange.serve(size);
                });
                let mut memcpy =
                    Taken::new("memcpy", vec![own], || exchange.exchange(&body, &mut copy));
                for _ in 0..rounds {
                    memcpy.round(calls);
                }
                exchange.turn.store(Exchange::OVER, Ordering::Release);
                memcpy.print();
            }
            println!();
        });
        drop(ours);
        partner.wait().unwrap();
    }
}

pub(crate) fn print() {
    let begun = Instant::now();
    let starts = 20;
    (0..starts).for_each(|_| drop(Host::new()));
    println!("\ndescribe, start and end: {:.2?}", begun.elapsed() / starts);
    let host = Host::new();
    let all = [(64, 2000), (64 * 1024, 500), (1 << 20, 50)];
    let kinds = [("any cores", Cores::ANY), ("one core", Cores::ONE), ("two cores", Cores::TWO)];
    let enough = thread::available_parallelism().unwrap().get() > 1;
    for (name, cores) in kinds.into_iter().take(if enough { 3 } else { 1 }) {
        println!("{name}:");
        sizes(&host, cores, 31, &all);
    }
    println!("one call each millisecond:");
    sizes(&host, Cores::ANY, 101, &[(64, 1)]);
    println!("two busy loops beside it:");
    let busy = |_| this_program([BUSY, "now"]).spawn().unwrap();
    let mut others: Vec<Child> = (0..2).map(busy).collect();
    sizes(&host, Cores::ANY, 11, &all);
    for other in &mut others {
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
