//! Counts the instructions of the operations in [`plugbay_bench_counts`] under callgrind.
//! `cargo xtask counts` runs this, and compares.

#![allow(missing_docs, clippy::disallowed_methods, reason = "what the macros make")]

#[cfg(target_os = "linux")]
use gungraun::prelude::*;
#[cfg(target_os = "linux")]
use plugbay_bench_counts::Operation;

/// How often each is done. `xtask/src/counts.rs` divides by it.
#[cfg(target_os = "linux")]
const TIMES: u32 = 100;

#[cfg(target_os = "linux")]
fn prepared(name: &str) -> Operation {
    let prepared = plugbay_bench_counts::prepare(name);
    let Ok(Some(mut operation)) = prepared else { panic!("cannot prepare {name}") };
    if let Err(error) = plugbay_bench_counts::warm(&mut operation) {
        panic!("{name}: {error:#}");
    }
    operation
}

#[cfg(target_os = "linux")]
#[library_benchmark]
#[bench::lease_by_handle(args = ("lease_by_handle"), setup = prepared)]
#[bench::lease_by_name(args = ("lease_by_name"), setup = prepared)]
#[bench::lease_kept(args = ("lease_kept"), setup = prepared)]
#[bench::document_written(args = ("document_written"), setup = prepared)]
#[bench::document_read(args = ("document_read"), setup = prepared)]
fn repeated(mut operation: Operation) -> Operation {
    let done = plugbay_bench_counts::repeat(&mut operation, TIMES);
    assert!(done.is_ok(), "{done:?}");
    operation
}

#[cfg(target_os = "linux")]
library_benchmark_group!(name = operations, benchmarks = [repeated]);

#[cfg(target_os = "linux")]
main!(library_benchmark_groups = operations);

#[cfg(not(target_os = "linux"))]
fn main() {}
