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
    /// Build the host, with the bundled plugins linked in, and run it with ./config.toml
    Up {
        /// Build quickly instead of for speed
        #[arg(long)]
        dev: bool,
        /// Build the bundled plugins as components, too
        #[arg(long)]
        plugins: bool,
        /// Install missing system packages without asking
        #[arg(long, short)]
        yes: bool,
        /// Passed on to `plugbay up`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Run every test: host, plugins, models, sanitizers
    Test {
        /// Install missing system packages without asking
        #[arg(long, short)]
        yes: bool,
        /// Only tests whose names contain one of these; leaves models and sanitizers out
        #[arg(last = true)]
        filter: Vec<String>,
    },
    /// Build every bundled plugin as a component
    Plugins {
        /// Where to put them [default: target/plugins]
        #[arg(long)]
        out: Option<PathBuf>,
        /// Install missing system packages without asking
        #[arg(long, short)]
        yes: bool,
    },
    /// Run the benchmarks
    Bench {
        /// Passed on to the benchmark
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Check what a compiler does not: who imports whom, where unsafe is, known bad versions, sizes, links
    Tidy,
}

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Up { dev, plugins, yes, args } => up::run(&up::Options { dev, plugins, yes, args }),
        Chore::Test { yes, filter } => test::run(&filter, yes),
        Chore::Plugins { out, yes } => plugins::run(out, yes),
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
