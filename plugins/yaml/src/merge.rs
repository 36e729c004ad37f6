//! The mappings that a mapping's merge keys name.

use granit_parser::Span;
use plugbay_sdk::document::cbor::Kept;

/// In the order in which they are named: of equal keys the first is taken.
#[derive(Default)]
pub(crate) struct Merges(Vec<(Kept, Span)>);

impl Merges {
    pub(crate) fn push(&mut self, item: Kept, span: Span) {
        self.0.push((item, span));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Kept, Span)> {
        self.0.iter()
    }
}
