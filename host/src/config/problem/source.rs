//! The sources of values: the file, variables and flags, and a place in one of them.

use std::ops::Range;

use super::error::ConfigSource;

/// A span in one of the [`Sources`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) source: usize,
    pub(crate) span: Range<usize>,
}

impl Place {
    pub(crate) fn new(source: usize, span: Range<usize>) -> Place {
        Place { source, span }
    }

    /// The place of a part of the value. Variables and flags have only one place.
    pub(crate) fn inner(&self, span: Range<usize>) -> Place {
        if self.source == FILE { Place::new(FILE, span) } else { self.clone() }
    }
}

/// The index of the file in [`Sources`], or of the defaults if there is no file.
pub(crate) const FILE: usize = 0;

/// All sources of values. Index 0 is the file.
#[derive(Clone, Debug)]
pub(crate) struct Sources(pub(crate) Vec<Source>);

#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) origin: ConfigSource,
    /// Empty for variables and flags.
    pub(crate) text: String,
}
