//! The tasks of this repository, as `cargo xtask <task>`.

#![forbid(unsafe_code)]

mod bench;
mod browser;
mod counts;
mod needs;
mod openapi;
#[cfg(unix)]
mod package;
mod plugins;
mod python;
mod repository;
mod sanitize;
mod sim;
mod soak;
mod stage;
mod test;
mod tidy;
mod up;
mod vendor_ui;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The tasks of this repository")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the host with the bundled plugins linked in, and run it with ./config.toml
    Up {
        /// Build without optimisation, which is quicker
        #[arg(long)]
        dev: bool,
        /// Also build the bundled plugins as components
        #[arg(long)]
        plugins: bool,
        /// Install missing system packages without asking
        #[arg(long, short)]
        yes: bool,
        /// Arguments for `plugbay up`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Run all tests: of the host, of the plugins, the loom models, and under sanitizers
    Test {
        /// Install missing system packages without asking
        #[arg(long, short)]
        yes: bool,
        /// Run only tests whose names contain one of these, without models and sanitizers
        #[arg(last = true)]
        filter: Vec<String>,
    },
    /// Build every bundled plugin as a component
    Plugins {
        /// The folder for the components [default: target/plugins]
        #[arg(long)]
        out: Option<PathBuf>,
        /// Install missing system packages without asking
        #[arg(long, short)]
        yes: bool,
    },
    /// Run the benchmarks
    Bench {
        /// Run only benchmarks whose names contain one of these
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Count instructions, allocations, system calls and page faults, and compare with bench/counts.toml
    Counts {
        /// Write the file instead
        #[arg(long)]
        bless: bool,
    },
    /// Serve under load for minutes while everything changes, and fail if anything is lost or grows
    Soak {
        /// For how many minutes
        #[arg(long, default_value_t = 2.0)]
        minutes: f64,
        /// Build with optimisation, in the profile `release`
        #[arg(long)]
        release: bool,
    },
    /// Simulate a directory and its clients while the network, clocks and processes fail
    Sim {
        /// The first seed; of one alone, the log is shown
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many seeds, from that one on
        #[arg(long, default_value_t = 1)]
        seeds: u64,
    },
    /// Make a Debian package of the program
    #[cfg(unix)]
    Package {
        /// Pack this program instead of building one in the profile `dist`
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Fetch the modules of the dashboard from npm again, as host/crates/server/ui/vendor/vendor.toml pins them
    VendorUi,
    /// Check dependencies, imports, unsafe code, known bad versions, file sizes, links and manifests
    Tidy,
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Up { dev, plugins, yes, args } => up::run(&up::Options { dev, plugins, yes, args }),
        Task::Test { yes, filter } => test::run(&filter, yes),
        Task::Plugins { out, yes } => plugins::run(out, yes),
        Task::Bench { args } => bench::run(&args),
        Task::Counts { bless } => counts::run(bless),
        Task::Soak { minutes, release } => soak::run(minutes, release),
        Task::Sim { seed, seeds } => sim::run(seed, seeds),
        #[cfg(unix)]
        Task::Package { program } => package::run(program),
        Task::VendorUi => vendor_ui::run(),
        Task::Tidy => tidy::run(),
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
