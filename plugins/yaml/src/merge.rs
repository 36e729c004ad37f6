//! The mappings that a mapping's merge keys name.

use granit_parser::Span;
use plugbay_sdk::document::cbor::Kept;

/// In the order in which they are named: of equal keys the first is taken.
#[derive(Default)]
pub(crate) struct Merges(Vec<Merge>);

/// A mapping that is named, and where.
#[derive(Clone, Copy)]
pub(crate) struct Merge {
    pub(crate) item: Kept,
    line: u32,
    column: u32,
}

impl Merges {
    pub(crate) fn push(&mut self, item: Kept, span: &Span) {
        let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (line, column) = (short(span.start.line()), short(span.start.col() + 1));
        self.0.push(Merge { item, line, column });
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Merge> {
        self.0.iter()
    }
}

impl Merge {
    /// What is said of it, and where it is named.
    pub(crate) fn place(&self, what: &str) -> String {
        format!("{what} at line {} column {}", self.line, self.column)
    }
}
