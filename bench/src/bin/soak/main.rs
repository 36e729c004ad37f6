//! Serves for minutes under load while everything changes, as `cargo xtask soak` starts it: a host in a
//! process of its own, clients of a dozen kinds of request, plugins that are replaced several times a
//! second, broken and half-written files, edits of the configuration, rollbacks, and clients of plugins
//! that use up their limits. It fails if a request is lost or answered wrongly, if memory or descriptors
//! grow, if a well-behaved request is slow beside the others, or if the host does not stop cleanly.
//!
//! | file | idea |
//! |---|---|
//! | `load` | the requests and what they must be answered |
//! | `churn` | what changes meanwhile |

mod churn;
mod load;

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use plugbay_bench::measure::pause;
use plugbay_bench::program::{Program, Usage};

use self::churn::Churn;
use self::load::{Report, hostile, well_behaved};

/// The clients that send well-behaved requests.
const CLIENTS: usize = 6;
/// The clients that send requests of limits.
const ATTACKERS: usize = 4;
/// The part of the time after which the host's memory and descriptors must not grow any more.
const WARM: f64 = 0.4;
/// How often the end of a client is checked.
const CHECK: Duration = Duration::from_millis(200);
/// How much memory may grow after that, in bytes.
const GROWTH: u64 = 48 << 20;
/// How many more descriptors may be open at the end than after the warm part.
const DESCRIPTORS: u64 = 32;
/// The longest time that one in a hundred well-behaved requests may take. It is a bound against hangs, on
/// machines of any speed and builds without optimisation; `cargo xtask bench` measures ratios.
const SLOW: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().context("expected the program and the minutes as arguments")?;
    let minutes: f64 = arguments.next().map_or(Ok(2.0), |it| it.parse()).context("minutes")?;
    let time = Duration::from_secs_f64(minutes * 60.0);
    let mut host = Program::start(Path::new(&program), &churn::config(0), churn::prepare)?;
    let over = AtomicBool::new(false);
    let (began, address) = (Instant::now(), host.data);
    println!("soak: {minutes} minutes at {address}, process {}", host.id());

    let (reports, attacks, changes, warm) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                scope.spawn({
                    let over = &over;
                    move || well_behaved(address, number, over)
                })
            })
            .collect();
        let attackers: Vec<_> =
            (0..ATTACKERS).map(|_| scope.spawn(|| hostile(address, &over))).collect();
        let churn = scope.spawn(|| Churn::new(&host).run(&over));
        pause(time.mul_f64(WARM));
        let warm = host.usage();
        while began.elapsed() < time && !clients.iter().any(thread::ScopedJoinHandle::is_finished) {
            pause(CHECK);
        }
        over.store(true, Ordering::Relaxed);
        let reports: Vec<Report> = clients.into_iter().filter_map(|it| it.join().ok()).collect();
        let attacks: Vec<u64> = attackers.into_iter().filter_map(|it| it.join().ok()).collect();
        (reports, attacks, churn.join(), warm)
    });

    let mut problems = Vec::new();
    if reports.len() < CLIENTS || attacks.len() < ATTACKERS {
        problems.push("a client panicked".to_owned());
    }
    let changes = match changes {
        Ok(Ok(changes)) => changes,
        Ok(Err(error)) => {
            problems.push(format!("a change failed: {error:#}"));
            0
        }
        Err(_) => {
            problems.push("the changes panicked".to_owned());
            0
        }
    };
    let sum = Report::sum(reports);
    problems.extend(sum.failures.iter().cloned());
    let (warm, end) = (warm?, host.usage()?);
    println!(
        "soak: {} requests, {} failed, p50 {:?}, p99 {:?}, longest {:?}; {} requests of limits; {changes} changes",
        sum.answered(),
        sum.failed,
        sum.percentile(0.5),
        sum.percentile(0.99),
        sum.percentile(1.0),
        attacks.iter().sum::<u64>(),
    );
    println!("soak: {warm}, later {end}");
    if sum.percentile(0.99) > SLOW {
        problems.push(format!("expected a p99 below {SLOW:?}, found {:?}", sum.percentile(0.99)));
    }
    problems.extend(grown(&warm, &end));
    problems.extend(host.stop()?);
    for problem in &problems {
        println!("soak: FAILED: {problem}");
    }
    if problems.is_empty() {
        println!("soak: ok");
    }
    Ok(problems.is_empty())
}

fn grown(warm: &Usage, end: &Usage) -> Vec<String> {
    let mut problems = Vec::new();
    if end.memory > warm.memory + GROWTH {
        problems.push(format!("memory grew: {warm}, later {end}"));
    }
    if end.descriptors > warm.descriptors + DESCRIPTORS {
        problems.push(format!("descriptors grew: {warm}, later {end}"));
    }
    problems
}
