//! The chores of this repository, as `cargo xtask <chore>`.

#![forbid(unsafe_code)]

mod bench;
mod needs;
mod place;
mod plugins;
mod sanitize;
mod stage;
mod test;
mod tidy;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The chores of this repository")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build the host and the bundled plugins, then run them with ./config.toml
    Up {
        /// Build quickly instead of for speed
        #[arg(long)]
        dev: bool,
        /// Passed on to `plugbay up`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Run every test: host, plugins, models, sanitizers
    Test {
        /// Only tests whose names contain one of these; leaves models and sanitizers out
        #[arg(last = true)]
        filter: Vec<String>,
    },
    /// Build every bundled plugin as a component
    Plugins {
        /// Where to put them [default: target/plugins]
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Run the benchmarks
    Bench {
        /// Passed on to the benchmark
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Check what a compiler does not: who knows whom, where unsafe is, sizes, links
    Tidy,
}

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Up { dev, args } => up::run(dev, &args),
        Chore::Test { filter } => test::run(&filter),
        Chore::Plugins { out } => plugins::run(out),
        Chore::Bench { args } => bench::run(&args),
        Chore::Tidy => tidy::run(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
