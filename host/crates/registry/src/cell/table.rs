//! An immutable set of names: sorted to be read by people, indexed to be searched.
//!
//! A table is built once and then only read, by every thread at the same time. So
//! the entries lie in one sorted slice, and an open-addressing index points into
//! it: a lookup hashes the name, looks at one or two slots and compares one string.

mod index;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use self::index::Index;
use crate::names::Plain;
use crate::not_found::NotFound;

/// An immutable, sorted set of name → `V` with fast lookup.
///
/// ```
/// use plugbay_registry::Table;
///
/// let table = Table::try_from_iter([("yaml", 2), ("json", 1)])?.called("codec");
/// assert_eq!(table.get("json"), Some(&1));
/// assert_eq!(table.names().collect::<Vec<_>>(), ["json", "yaml"]);
/// assert!(table.find("jsn").unwrap_err().to_string().contains("did you mean"));
/// # Ok::<(), plugbay_registry::DuplicateName>(())
/// ```
#[derive(Clone)]
pub struct Table<V> {
    what: Cow<'static, str>,
    /// Sorted by name. A name is shared by every table that it is carried over to.
    entries: Box<[(Arc<str>, V)]>,
    index: Index,
}

/// Two entries of one table have the same name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the name \"{}\" is given twice", Plain(.name))]
#[non_exhaustive]
pub struct DuplicateName {
    /// The name.
    pub name: String,
}

impl<V> Table<V> {
    /// A table without entries.
    #[must_use]
    pub fn empty() -> Self {
        Self::index(Vec::new())
    }

    /// Collects `entries`, in any order.
    ///
    /// # Errors
    ///
    /// [`DuplicateName`] if a name comes twice: a table that silently kept one of
    /// the two would hide a mistake.
    pub fn try_from_iter<N: Into<Arc<str>>>(
        entries: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, DuplicateName> {
        let mut entries: Vec<_> =
            entries.into_iter().map(|(name, value)| (name.into(), value)).collect();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        match entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(DuplicateName { name: pair[0].0.as_ref().to_owned() }),
            None => Ok(Self::index(entries)),
        }
    }

    /// `entries` are sorted and without duplicates.
    fn index(entries: Vec<(Arc<str>, V)>) -> Self {
        let index = Index::of(entries.iter().map(|(name, _)| &**name));
        Self { what: Cow::Borrowed("entry"), entries: entries.into(), index }
    }

    /// Says what the entries are, as a noun for errors: `codec`. The default is
    /// `entry`.
    #[must_use]
    pub fn called(mut self, what: impl Into<Cow<'static, str>>) -> Self {
        self.what = what.into();
        self
    }

    /// What the entries are.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The value of that name.
    #[inline]
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&V> {
        self.entry(name).map(|(_, (_, value))| value)
    }

    /// The value of that name, or what an error message should say.
    ///
    /// # Errors
    ///
    /// [`NotFound`], with a copy of every name; where a miss is no error, use
    /// [`Table::get`], which copies nothing.
    #[inline]
    pub fn find(&self, name: &str) -> Result<&V, NotFound> {
        self.get(name).ok_or_else(|| self.not_found(name))
    }

    #[cold]
    pub(crate) fn not_found(&self, name: &str) -> NotFound {
        NotFound::new(self.what.clone(), name, self.names())
    }

    /// The position of that name in the sorted order.
    ///
    /// For callers that look up the same name in one table again and again. A
    /// position belongs to its table: after a swap, check the name that
    /// [`Table::at`] returns with it.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.entry(name).map(|(at, _)| at)
    }

    /// The entry at a position.
    #[inline]
    #[must_use]
    pub fn at(&self, index: usize) -> Option<(&str, &V)> {
        self.entries.get(index).map(|(name, value)| (&**name, value))
    }

    #[inline]
    fn entry(&self, name: &str) -> Option<(usize, &(Arc<str>, V))> {
        self.index.candidates(name).find_map(|at| {
            self.entries.get(at).filter(|(known, _)| **known == *name).map(|entry| (at, entry))
        })
    }

    /// The names, sorted.
    #[must_use]
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.entries.iter().map(|(name, _)| &**name)
    }

    /// The entries, sorted by name.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &V)> {
        self.entries.iter().map(|(name, value)| (&**name, value))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there is an entry of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

impl<V: Clone> Table<V> {
    /// This table with `name` added, or replaced if it is there.
    #[must_use]
    pub fn with(&self, name: impl Into<Arc<str>>, value: V) -> Self {
        let name = name.into();
        let mut entries = self.entries.to_vec();
        match entries.binary_search_by(|(known, _)| known.cmp(&name)) {
            Ok(at) => entries[at].1 = value,
            Err(at) => entries.insert(at, (name, value)),
        }
        Self::index(entries).called(self.what.clone())
    }

    /// This table without `name`; an equal table if it was not there.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let kept = self.entries.iter().filter(|(known, _)| **known != *name).cloned().collect();
        Self::index(kept).called(self.what.clone())
    }
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<N: Into<Arc<str>>, V> TryFrom<Vec<(N, V)>> for Table<V> {
    type Error = DuplicateName;

    fn try_from(entries: Vec<(N, V)>) -> Result<Self, DuplicateName> {
        Self::try_from_iter(entries)
    }
}

impl<N: Into<Arc<str>>, V, const LEN: usize> TryFrom<[(N, V); LEN]> for Table<V> {
    type Error = DuplicateName;

    fn try_from(entries: [(N, V); LEN]) -> Result<Self, DuplicateName> {
        Self::try_from_iter(entries)
    }
}

impl<V: fmt::Debug> fmt::Debug for Table<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
