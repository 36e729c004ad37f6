//! The program `plugbay`.
//!
//! Exit codes: 0 done, 1 failed, 2 the command line or the configuration is wrong.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    // A worker or compiler process must not run any code of the command line.
    if let Some(ended) = plugbay::worker::serve_if_child() {
        return ended;
    }
    cli::run()
}
