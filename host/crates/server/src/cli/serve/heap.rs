//! Lets the heap give memory back to the system.
//!
//! glibc maps a large block by itself, and gives it back when it is freed. But each time it frees such a block
//! it raises the size from which it does so, up to 32 MiB: after one wave of large bodies, the blocks of
//! the next one are parts of its heaps, which stay as large as they have become. A fixed size ends that
//! (docs/adr/0022). glibc reads it from the environment, before any code of a program runs, so the program
//! replaces itself once by itself with the variable set: it keeps its process id, arguments and open files.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

const VARIABLE: &str = "GLIBC_TUNABLES";
const TUNABLE: &str = "glibc.malloc.mmap_threshold";
/// glibc's own initial value, in bytes.
const THRESHOLD: u32 = 128 << 10;

/// Starts the program again with the variable, unless it has it or the operator chose another size.
pub(super) fn give_back() {
    let tunables = env::var_os(VARIABLE).unwrap_or_default();
    let is_chosen = env::var_os("MALLOC_MMAP_THRESHOLD_").is_some();
    let Some(tunables) = with_threshold(tunables).filter(|_| !is_chosen) else { return };
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_else(|| program.clone().into());
    // It returns only if it fails: then the heap stays as glibc has it.
    let error = Command::new(program).arg0(name).args(arguments).env(VARIABLE, tunables).exec();
    tracing::warn!(%error, "memory of large requests may stay with the process: it cannot set {VARIABLE}");
}

/// The tunables with the threshold; `None` if they have one.
fn with_threshold(mut tunables: OsString) -> Option<OsString> {
    if tunables.to_string_lossy().contains(TUNABLE) {
        return None;
    }
    if !tunables.is_empty() {
        tunables.push(":");
    }
    tunables.push(format!("{TUNABLE}={THRESHOLD}"));
    Some(tunables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_tunables_are_kept() {
        let with = |tunables: &str| with_threshold(tunables.into());
        assert_eq!(with(""), Some("glibc.malloc.mmap_threshold=131072".into()));
        let other = "glibc.malloc.arena_max=2";
        assert_eq!(with(other), Some(format!("{other}:{TUNABLE}=131072").into()));
        assert_eq!(with("glibc.malloc.mmap_threshold=1"), None);
    }
}
