//! Imports between the files of a crate: there are no circles, and within `host/src` imports follow
//! the order of the rooms.
//!
//! An import is a `use` or a path in code, from the file that has it to the file that defines the
//! item, through the re-exports of `mod.rs` and `lib.rs`. A `mod` line is not an import, and code for
//! tests does not count. Not found are methods that are called on a value, and paths within a string
//! (`serde(with = "…")`).

mod circles;
mod file;
mod rooms;
mod tokens;
mod tree;

use self::tree::{Import, Tree};
use super::{Source, Violation};

pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    let imports: Vec<Import> = tree::crates(sources).iter().flat_map(Tree::imports).collect();
    let mut violations = circles::check(&imports);
    violations.extend(rooms::check(&imports));
    violations
}
