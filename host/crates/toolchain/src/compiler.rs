//! Runs the compilers of other languages than Rust.

use std::process::Command;
use std::time::Duration;

use crate::error::BuildErrorKind;
use crate::run;

/// How long a compiler may take, or what fetches one.
const COMPILER_LIMIT: Duration = Duration::from_mins(10);

/// Runs a compiler; `remedy` says what to do if it is not there.
pub(crate) fn run(
    command: &mut Command,
    program: &str,
    remedy: &'static str,
) -> Result<(), BuildErrorKind> {
    let ended = run::bounded(command, COMPILER_LIMIT, &mut |_passed| {}).map_err(|error| {
        BuildErrorKind::NoCompiler {
            program: program.to_owned(),
            message: error.to_string(),
            remedy,
        }
    })?;
    let failed = |output| BuildErrorKind::Compiler { program: program.to_owned(), output };
    ended.success().map_err(failed)
}
