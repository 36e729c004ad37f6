//! The mappings that the merge keys of a mapping refer to.

use granit_parser::Span;
use plugbay_sdk::document::cbor::Anchor;

/// The mappings to merge, in order: of equal keys, the first one wins.
#[derive(Default)]
pub(crate) struct Merges(Vec<Merge>);

/// A mapping to merge, with the position of its alias.
#[derive(Clone, Copy)]
pub(crate) struct Merge {
    pub(crate) anchor: Anchor,
    line: u32,
    column: u32,
}

impl Merges {
    pub(crate) fn push(&mut self, anchor: Anchor, span: &Span) {
        let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (line, column) = (short(span.start.line()), short(span.start.col() + 1));
        self.0.push(Merge { anchor, line, column });
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Merge> {
        self.0.iter()
    }
}

impl Merge {
    /// A message with the position of the alias.
    pub(crate) fn with_position(&self, what: &str) -> String {
        format!("{what} at line {} column {}", self.line, self.column)
    }
}
