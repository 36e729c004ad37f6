//! Changes to single entries, and the function that all changes go through.

use std::convert::Infallible;
use std::sync::Arc;

use super::errors::{ChangeError, RegisterError, RegisterErrorKind};
use super::generation::Generation;
use super::{Miss, Registry};
use crate::cell::{Lease, Leased, Table};
use crate::names::nearest;

pub(super) type Entries<T> = Table<Arc<Leased<T>>>;
/// The generation that a change replaced, and the one it stored.
pub(super) type Change<T> = (Arc<Generation<T>>, Arc<Generation<T>>);

impl<T> Registry<T> {
    /// Adds an entry under a new name.
    ///
    /// # Errors
    ///
    /// [`RegisterErrorKind::EmptyName`], [`Duplicate`](RegisterErrorKind::Duplicate)
    /// or [`Frozen`](RegisterErrorKind::Frozen); the value is dropped then.
    pub fn register(&self, name: impl Into<Arc<str>>, value: T) -> Result<(), RegisterError> {
        self.register_entry(name, Arc::new(Leased::new(value)))
    }

    /// As [`Registry::register`], for an entry made before: one with a close hook,
    /// or one that another registry has too. Whichever of the two drops it closes
    /// it for both.
    ///
    /// # Errors
    ///
    /// As [`Registry::register`], and [`RegisterErrorKind::Closed`].
    #[expect(clippy::needless_pass_by_value, reason = "the entry is given to the registry")]
    pub fn register_entry(
        &self,
        name: impl Into<Arc<str>>,
        entry: Arc<Leased<T>>,
    ) -> Result<(), RegisterError> {
        let name = name.into();
        self.change(&name, |now| {
            if now.table.contains(&name) {
                return Err(self.refusal(now, &name, RegisterErrorKind::Duplicate));
            }
            self.admit(now, &name, &entry)?;
            Ok(now.table.with(Arc::clone(&name), Arc::clone(&entry)))
        })?;
        Ok(())
    }

    /// As [`Registry::register`], for start-up code in which a refusal is a mistake
    /// in the program.
    ///
    /// # Panics
    ///
    /// If it is refused; the message names the name, and the names there are.
    #[track_caller]
    pub fn must_register(&self, name: impl Into<Arc<str>>, value: T) {
        if let Err(refused) = self.register(name, value) {
            panic!("{refused}");
        }
    }

    /// Replaces the entry of a name that is there, and closes the old one: leases
    /// on it are still good, new ones are on the new value. Returns the old entry,
    /// so that the caller can wait until it is drained.
    ///
    /// # Errors
    ///
    /// [`RegisterErrorKind::Missing`] (adding is [`Registry::register`]) or
    /// [`RegisterErrorKind::Frozen`]; the value is dropped then.
    pub fn replace(&self, name: &str, value: T) -> Result<Arc<Leased<T>>, RegisterError> {
        self.replace_entry(name, Arc::new(Leased::new(value)))
    }

    /// As [`Registry::replace`], for an entry made before.
    ///
    /// # Errors
    ///
    /// As [`Registry::replace`], and [`RegisterErrorKind::Closed`].
    #[expect(clippy::needless_pass_by_value, reason = "the entry is given to the registry")]
    pub fn replace_entry(
        &self,
        name: &str,
        entry: Arc<Leased<T>>,
    ) -> Result<Arc<Leased<T>>, RegisterError> {
        let (before, now) = self.change(name, |now| {
            self.admit(now, name, &entry)?;
            self.present(now, name)?;
            Ok(now.table.with(name, Arc::clone(&entry)))
        })?;
        let old = self.present(&before, name)?;
        close_unless_listed(&old, &now);
        Ok(old)
    }

    /// Removes an entry and closes it. Holders of a lease or a snapshot are not disturbed: a lease
    /// is valid until it is dropped, and dropping the last one runs the close hook. Returns the
    /// entry, so that the caller can wait for that.
    ///
    /// # Errors
    ///
    /// [`RegisterErrorKind::Missing`] or [`RegisterErrorKind::Frozen`].
    pub fn unregister(&self, name: &str) -> Result<Arc<Leased<T>>, RegisterError> {
        let (before, now) = self.change(name, |now| {
            self.present(now, name)?;
            Ok(now.table.without(name))
        })?;
        let old = self.present(&before, name)?;
        close_unless_listed(&old, &now);
        Ok(old)
    }

    /// Leases the entry of that name, and makes and registers it first if it is not there. `make`
    /// runs without any lock held and may take long: no other caller waits for it, not even for the
    /// same name. When several callers find the name missing at once, each runs its own `make`; the
    /// first to finish wins, the others drop what they made and get the winner's.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Failed`] with the error of `make`, unchanged. [`ChangeError::Refused`]
    /// if the registry is frozen or the name is empty (`make` does not run then), or
    /// if the listed entry was closed by hand.
    pub fn get_or_register<E>(
        &self,
        name: impl Into<Arc<str>>,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Lease<T>, ChangeError<E>> {
        let name = name.into();
        match self.find(&name)? {
            Some(lease) => return Ok(lease),
            None => self.current.peek(|now| self.permit(now, &name))?,
        }
        let entry = Arc::new(Leased::new(make().map_err(ChangeError::Failed)?));
        loop {
            // Leased before any other thread can see the entry, so no thread can close it first.
            let mine = entry.lease();
            match self.register_entry(Arc::clone(&name), Arc::clone(&entry)) {
                Ok(()) => {
                    if let Ok(mine) = mine {
                        return Ok(mine);
                    }
                }
                Err(refused) if refused.kind == RegisterErrorKind::Duplicate => {
                    if let Some(theirs) = self.find(&name)? {
                        return Ok(theirs);
                    }
                    // Theirs has gone again in the meantime: try with ours.
                }
                Err(refused) => return Err(refused.into()),
            }
        }
    }

    /// Refuses every later change, for good; lookups go on. For programs that register at start-up
    /// only.
    ///
    /// A change that runs at the same time either comes before, or is refused.
    pub fn freeze(&self) {
        let frozen = self.current.update(|now| {
            Ok::<_, Infallible>(if now.frozen {
                Arc::clone(now)
            } else {
                let table = now.table.clone();
                // The same number: nothing that a reader sees has changed.
                Arc::new(Generation { number: now.number, table, frozen: true })
            })
        });
        match frozen {
            Ok(_) => {}
            Err(never) => match never {},
        }
    }

    /// Stores what `next` makes of the current table, as the next generation.
    /// Everything but `freeze` goes through here.
    pub(super) fn change<E: From<RegisterError>>(
        &self,
        name: &str,
        mut next: impl FnMut(&Generation<T>) -> Result<Entries<T>, E>,
    ) -> Result<Change<T>, E> {
        let (old, new) = self.current.update::<E>(|now| {
            if now.frozen {
                return Err(self.refusal(now, name, RegisterErrorKind::Frozen).into());
            }
            let table = next(now)?;
            Ok(Arc::new(Generation { number: now.number + 1, table, frozen: false }))
        })?;
        self.notifier.notify(new.number);
        Ok((old, new))
    }

    /// Checks the conditions that every new entry must satisfy.
    pub(super) fn admit(
        &self,
        now: &Generation<T>,
        name: &str,
        entry: &Leased<T>,
    ) -> Result<(), RegisterError> {
        self.permit(now, name)?;
        if entry.is_closed() {
            return Err(self.refusal(now, name, RegisterErrorKind::Closed));
        }
        Ok(())
    }

    fn permit(&self, now: &Generation<T>, name: &str) -> Result<(), RegisterError> {
        if now.frozen {
            return Err(self.refusal(now, name, RegisterErrorKind::Frozen));
        }
        if name.is_empty() {
            return Err(self.refusal(now, name, RegisterErrorKind::EmptyName));
        }
        Ok(())
    }

    fn present(&self, now: &Generation<T>, name: &str) -> Result<Arc<Leased<T>>, RegisterError> {
        now.table
            .get(name)
            .cloned()
            .ok_or_else(|| self.refusal(now, name, RegisterErrorKind::Missing))
    }

    /// As `lookup`, but an entry that was closed by hand is an error: waiting for
    /// it to go away would be waiting for ever.
    fn find(&self, name: &str) -> Result<Option<Lease<T>>, RegisterError> {
        match self.lookup_fast(name).map_or_else(|| self.lookup_slow(name), Ok) {
            Ok(lease) => Ok(Some(lease)),
            Err(Miss::Absent(_)) => Ok(None),
            Err(Miss::Closed(now)) => Err(self.refusal(&now, name, RegisterErrorKind::Closed)),
        }
    }

    #[cold]
    pub(crate) fn refusal(
        &self,
        now: &Generation<T>,
        name: &str,
        kind: RegisterErrorKind,
    ) -> RegisterError {
        let meant = match kind {
            RegisterErrorKind::Missing => nearest(name, now.table.names()),
            _ => None,
        };
        RegisterError {
            kind,
            what: self.what.clone(),
            name: name.to_owned(),
            nearest: meant.map(str::to_owned),
            known: now.table.names().map(str::to_owned).collect(),
        }
    }
}

/// Closes `entry`, which has left a name, unless another name still has it.
pub(super) fn close_unless_listed<T>(entry: &Arc<Leased<T>>, now: &Generation<T>) {
    if !now.table.iter().any(|(_, listed)| Arc::ptr_eq(listed, entry)) {
        entry.close();
    }
}
