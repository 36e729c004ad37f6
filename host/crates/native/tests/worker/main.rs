//! Plugins in worker processes, with a plugin in C that misbehaves in every way.
//!
//! The test program also runs as the worker, as a worker that breaks the protocol, and as a host that
//! is killed. Its arguments say which, so it has a `main` of its own. The tests count processes and
//! descriptors, so they run one after the other.

#![cfg_attr(not(target_os = "linux"), allow(unused, reason = "there are workers on Linux only"))]

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod confinement;
#[cfg(target_os = "linux")]
mod copies;
#[cfg(target_os = "linux")]
mod deaths;
#[cfg(target_os = "linux")]
mod grants;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod neighbours;
#[cfg(target_os = "linux")]
mod old_kernel;
#[cfg(target_os = "linux")]
mod orphans;
#[cfg(target_os = "linux")]
mod printed;
#[cfg(target_os = "linux")]
mod rates;
#[cfg(target_os = "linux")]
mod shortages;
#[cfg(target_os = "linux")]
mod support;
#[cfg(target_os = "linux")]
mod surroundings;

use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    if let Some(ended) = plugbay_native::worker::serve_if_child() {
        return ended;
    }
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next()) {
        (Some(orphans::HOST), Some(first)) => {
            let lacking: Vec<String> = args.collect();
            let lacking: Vec<&str> = lacking.iter().map(String::as_str).collect();
            return orphans::host(&first, &lacking);
        }
        (Some(deaths::ROGUE), _) => return deaths::rogue(),
        (Some(old_kernel::OLD_KERNEL), what) => {
            return old_kernel::worker(what.into_iter().chain(args));
        }
        (Some(measure::PARTNER), Some(size)) => return measure::partner(&size),
        (Some(measure::BUSY), _) => return measure::busy(),
        _ => {}
    }
    support::record_logs();
    let mut arguments = libtest_mimic::Arguments::from_args();
    arguments.test_threads = Some(1);
    let tests = [
        calls::tests(),
        confinement::tests(),
        copies::tests(),
        deaths::tests(),
        grants::tests(),
        neighbours::tests(),
        old_kernel::tests(),
        orphans::tests(),
        printed::tests(),
        rates::tests(),
        shortages::tests(),
        surroundings::tests(),
    ];
    let tests = tests.concat();
    let tests = tests.into_iter().map(|(name, test)| {
        libtest_mimic::Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    let measure = libtest_mimic::Trial::test("measure", || {
        measure::print();
        Ok(())
    });
    let tests = tests.chain([measure.with_ignored_flag(true)]);
    libtest_mimic::run(&arguments, tests.collect()).exit_code()
}
