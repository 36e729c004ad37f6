//! Which file of a crate imports which: without circles, and within `host/src` never up.
//!
//! An import is a `use` or a path in code. It counts from the file that names something to
//! the file that defines it, through the re-exports of `mod.rs` and `lib.rs`. `mod` lines are
//! no imports, and what only tests compile does not count. A method that is called on a value
//! is not seen, nor is a path within a string (`serde(with = "…")`).

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
