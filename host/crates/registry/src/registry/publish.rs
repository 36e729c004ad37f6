//! Changes to the whole set at once.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::Registry;
use super::errors::{ChangeError, RegisterError, RegisterErrorKind};
use super::generation::Generation;
use super::write::{Change, Entries};
use crate::cell::{Leased, Table};

/// What can stand in a set that is published: a new value, or an entry that may be
/// in the running generation already and then stays as it is.
pub trait IntoEntry<T> {
    /// The entry.
    fn into_entry(self) -> Arc<Leased<T>>;
}

impl<T> IntoEntry<T> for T {
    fn into_entry(self) -> Arc<Leased<T>> {
        Arc::new(Leased::new(self))
    }
}

impl<T> IntoEntry<T> for Arc<Leased<T>> {
    fn into_entry(self) -> Self {
        self
    }
}

/// What a published generation changed.
#[non_exhaustive]
pub struct Published<T> {
    /// The generation that was stored.
    pub generation: Arc<Generation<T>>,
    /// Names that were not there before, sorted.
    pub added: Vec<String>,
    /// Names that have another entry than before, sorted.
    pub replaced: Vec<String>,
    /// Names that are no longer there, sorted.
    pub removed: Vec<String>,
    /// How many names kept their entry.
    pub kept: usize,
    /// The entries that left, closed, by the name they had; wait for their drain
    /// before tearing down what they stand on.
    pub retired: Vec<(String, Arc<Leased<T>>)>,
}

impl<T> Registry<T> {
    /// Replaces the whole set by `entries`, in one step: a reader sees the old
    /// generation or the new one, never a mixture.
    ///
    /// Pass an entry of the running generation (from [`Registry::snapshot`]) to
    /// keep it, leases and all. Entries that are in the old set and not in the new
    /// one are closed.
    ///
    /// ```
    /// use plugbay_registry::Registry;
    ///
    /// let codecs = Registry::new("codec");
    /// codecs.publish([("json", 1), ("yaml", 1)])?;
    /// let keep = codecs.entry("json").expect("just published");
    /// let change = codecs.publish([("json", keep)])?;
    /// assert_eq!((change.kept, change.removed), (1, vec!["yaml".to_owned()]));
    /// # Ok::<(), plugbay_registry::RegisterError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RegisterErrorKind::Frozen`], [`EmptyName`](RegisterErrorKind::EmptyName),
    /// [`Duplicate`](RegisterErrorKind::Duplicate), or
    /// [`Closed`](RegisterErrorKind::Closed) for an entry that was retired before.
    pub fn publish<N, V>(
        &self,
        entries: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Published<T>, RegisterError>
    where
        N: Into<Arc<str>>,
        V: IntoEntry<T>,
    {
        let entries = entries.into_iter().map(|(name, value)| (name, value.into_entry()));
        let table = Table::try_from_iter(entries).map_err(|twice| {
            self.refusal(&self.snapshot(), &twice.name, RegisterErrorKind::Duplicate)
        })?;
        let change = self.change("", |now| self.checked(now, table.clone()))?;
        Ok(retire(change))
    }

    /// Derives the whole next set from the current one, and publishes it unless
    /// another writer was first; then `next` runs again, on what that writer left.
    ///
    /// `next` runs without any lock held, perhaps several times; only the result of
    /// its last run is published, so it must not have effects of its own.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Failed`] with the error of `next`, unchanged;
    /// [`ChangeError::Refused`] as for [`Registry::publish`].
    pub fn update<E>(
        &self,
        mut next: impl FnMut(&Generation<T>) -> Result<Table<Arc<Leased<T>>>, E>,
    ) -> Result<Published<T>, ChangeError<E>> {
        let change = self.change("", |now| {
            let table = next(now).map_err(ChangeError::Failed)?;
            self.checked(now, table).map_err(ChangeError::Refused)
        })?;
        Ok(retire(change))
    }

    fn checked(&self, now: &Generation<T>, table: Entries<T>) -> Result<Entries<T>, RegisterError> {
        for (name, entry) in table.iter() {
            self.admit(now, name, entry)?;
        }
        Ok(table.called(self.what.clone()))
    }
}

/// Says what changed, and closes what left.
fn retire<T>((before, now): Change<T>) -> Published<T> {
    let listed: HashSet<_> = now.table.iter().map(|(_, entry)| Arc::as_ptr(entry)).collect();
    let mut change = Published {
        generation: Arc::clone(&now),
        added: Vec::new(),
        replaced: Vec::new(),
        removed: Vec::new(),
        kept: 0,
        retired: Vec::new(),
    };
    for (name, old) in before.table.iter() {
        match now.table.get(name) {
            Some(new) if Arc::ptr_eq(old, new) => change.kept += 1,
            Some(_) => change.replaced.push(name.to_owned()),
            None => change.removed.push(name.to_owned()),
        }
        if !listed.contains(&Arc::as_ptr(old)) {
            change.retired.push((name.to_owned(), Arc::clone(old)));
        }
    }
    let new_names = now.table.names().filter(|name| !before.table.contains(name));
    change.added = new_names.map(str::to_owned).collect();
    CloseAll(change.retired.iter()).run();
    change
}

/// Closes each entry, also those after one whose close hook panics: an entry that left and stayed
/// open would be used for ever by callers that cached it.
struct CloseAll<'a, T>(std::slice::Iter<'a, (String, Arc<Leased<T>>)>);

impl<T> CloseAll<'_, T> {
    fn run(&mut self) {
        for (_, entry) in self.0.by_ref() {
            entry.close();
        }
    }
}

impl<T> Drop for CloseAll<'_, T> {
    fn drop(&mut self) {
        self.run();
    }
}

impl<T> fmt::Debug for Published<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published")
            .field("generation", &self.generation.number)
            .field("added", &self.added)
            .field("replaced", &self.replaced)
            .field("removed", &self.removed)
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}
