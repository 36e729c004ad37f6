//! The program `plugbay`.
//!
//! Exit codes: 0 done, 1 failed, 2 the command line or the configuration is wrong.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    // A worker or a compiler has one task, and nothing of a command line must run before it.
    if let Some(ended) = plugbay::worker::serve_if_child() {
        return ended;
    }
    cli::run()
}
