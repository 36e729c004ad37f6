//! Lock files are current. A dependency that one crate gets changes the lock file of each workspace that uses
//! the crate by its path, and a build with `--locked` then fails, in CI at the latest.

use anyhow::{Context as _, Result};

use super::{Source, Violation};
use crate::repository::Repository;

/// Checks every lock file. Where cargo cannot reach its registry, it says nothing about them.
pub(super) fn check(repository: &Repository, sources: &[Source]) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for source in sources {
        let Some(folder) = source.path.strip_suffix("Cargo.lock") else { continue };
        let mut cargo = repository.cargo();
        cargo.current_dir(repository.root.join(folder));
        cargo.args(["update", "--workspace", "--locked", "--quiet"]);
        let output = cargo.output().context("cannot start cargo")?;
        if !output.status.success() {
            violations.extend(violation(&source.path, &String::from_utf8_lossy(&output.stderr)));
        }
    }
    Ok(violations)
}

fn violation(file: &str, said: &str) -> Option<Violation> {
    let is_stale = said.contains("because --locked was passed");
    let message = "expected the dependencies of the manifests, found others; run \
                   `cargo update --workspace` in its folder";
    is_stale.then(|| Violation::new(file, 1, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_lock_file_is_told_from_a_registry_that_is_not_reached() {
        let stale = "error: cannot update the lock file /a/Cargo.lock because --locked was passed to prevent this";
        let found = violation("fuzz/Cargo.lock", stale).unwrap();
        assert!(found.to_string().starts_with("fuzz/Cargo.lock:1: expected the dependencies"));
        assert_eq!(violation("fuzz/Cargo.lock", "error: failed to get `serde`: timed out"), None);
    }
}
