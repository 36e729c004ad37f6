//! `counted` prints the names of the operations. `counted NAME TIMES` does one operation of [`plugbay_bench::operations`] that often, and prints what
//! it took of this process, as JSON: page faults, and allocations of this thread. `cargo xtask counts` runs
//! it under a tracer of system calls too.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<ExitCode> {
    use allocation_counter::measure;
    use anyhow::Context;
    use plugbay_bench::operations::{names, prepare};
    use plugbay_bench_counts::repeat;

    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        names().for_each(|name| println!("{name}"));
        return Ok(ExitCode::SUCCESS);
    };
    let times = arguments.next().context("expected how often it is done")?.parse()?;
    let mut operation = prepare(&name)?;
    let before = faults()?;
    let mut done = Ok(());
    let allocated = measure(|| done = repeat(&mut operation, times));
    let faults = faults()? - before;
    done?;
    println!(
        "{}",
        serde_json::json!({ "page-faults": faults, "allocations": allocated.count_total })
    );
    Ok(ExitCode::SUCCESS)
}

/// The page faults of this process that needed no disk: `minflt` of `proc_pid_stat(5)`.
#[cfg(target_os = "linux")]
fn faults() -> anyhow::Result<u64> {
    use anyhow::Context;

    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field is the program's name in parentheses, which may contain anything.
    let fields = stat.rsplit_once(')').context("expected a name in parentheses")?.1;
    Ok(fields.split_whitespace().nth(7).context("expected the field minflt")?.parse()?)
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("error: expected Linux, whose counters this reads");
    ExitCode::FAILURE
}
