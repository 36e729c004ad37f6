//! The registry: names to leased values, replaced one whole generation at a time.
//!
//! *Readers* look the name up in the current [`Generation`] under a cheap guard,
//! lease the entry and let go of the guard. They never lock and never wait.
//!
//! *Writers* copy the table, change the copy, and exchange it for the one they copied; the second
//! of two writers starts over on the table of the first one. Then they close the entries that are
//! in the old table and not in the new one.
//!
//! *The race between the two*: a reader that found an entry just before it was
//! taken out is refused its lease. Entries are closed only after they were taken
//! out, and the refusal shows the reader all that came before it, so looking the
//! name up once more finds what replaced the entry, or that nothing did.

mod changes;
mod errors;
mod factories;
mod generation;
mod global;
pub mod linked;
mod publish;
#[cfg(all(test, not(loom)))]
mod tests;
mod write;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use self::changes::Changes;
use self::changes::Notifier;
pub use self::errors::{ChangeError, RegisterError, RegisterErrorKind};
pub use self::factories::{BuildError, Constructor, Factories};
pub use self::generation::Generation;
pub use self::global::global;
pub use self::publish::{IntoEntry, Published};
use crate::cell::{Closed, Lease, Leased, Swap, Table};
use crate::not_found::NotFound;

/// Named values of one type that can be looked up, leased, and replaced while in
/// use.
///
/// A registry is a value like any other: make one where you need it and pass it
/// on. Two registries share nothing.
///
/// # Life cycles
///
/// - **Startup only**: `register` everything, then [`freeze`](Registry::freeze).
/// - **Lazy**: [`get_or_register`](Registry::get_or_register) makes what is not
///   there yet.
/// - **Hot swap**: [`publish`](Registry::publish) whole sets, [`replace`](Registry::replace) and
///   [`unregister`](Registry::unregister) single entries; the holder of a lease finishes on the
///   entry that it holds.
///
/// ```
/// use plugbay_registry::Registry;
///
/// type Codec = fn(&[u8]) -> String;
///
/// let codecs = Registry::<Codec>::new("codec");
/// codecs.register("hex", |bytes| bytes.iter().map(|b| format!("{b:02x}")).collect())?;
/// let hex = codecs.get("hex")?;
/// assert_eq!(hex(b"\x01\xff"), "01ff");
/// assert_eq!(codecs.names(), ["hex"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A registry of codecs takes no factory for codecs; the types are different, so
/// there is nothing to check at run time:
///
/// ```compile_fail,E0308
/// use plugbay_registry::Registry;
/// struct Codec;
/// let codecs = Registry::<Codec>::new("codec");
/// codecs.register("json", || Codec)?;
/// # Ok::<(), plugbay_registry::RegisterError>(())
/// ```
///
/// ```
/// use plugbay_registry::Registry;
/// struct Codec;
/// let codecs = Registry::<Codec>::new("codec");
/// codecs.register("json", Codec)?;
/// # Ok::<(), plugbay_registry::RegisterError>(())
/// ```
pub struct Registry<T> {
    what: Cow<'static, str>,
    current: Swap<Generation<T>>,
    notifier: Notifier,
}

/// Why a lookup gives no lease, with the generation that was searched.
enum Miss<T> {
    Absent(Arc<Generation<T>>),
    Closed(Arc<Generation<T>>),
}

impl<T> Registry<T> {
    /// An empty registry. `what` it holds, as a noun, goes into its errors: `codec`.
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        let what = what.into();
        let table = Table::empty().called(what.clone());
        let first = Generation { number: 0, table, frozen: false };
        Self { what, current: Swap::new(first), notifier: Notifier::default() }
    }

    /// What the registry holds, as a noun.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Leases the entry of that name. Never blocks.
    ///
    /// # Errors
    ///
    /// [`NotFound`], with all the names there are and the nearest one; where a miss
    /// is no error, [`Registry::lookup`] is cheaper.
    #[inline]
    pub fn get(&self, name: &str) -> Result<Lease<T>, NotFound> {
        match self.lookup_fast(name) {
            Some(lease) => Ok(lease),
            None => self.lookup_slow(name).map_err(|miss| match miss {
                Miss::Absent(generation) => generation.table.not_found(name),
                Miss::Closed(generation) => generation.table.not_found(name).into_closed(),
            }),
        }
    }

    /// As [`Registry::get`], when a miss is an answer and not an error.
    #[inline]
    pub fn lookup(&self, name: &str) -> Option<Lease<T>> {
        self.lookup_fast(name).or_else(|| self.lookup_slow(name).ok())
    }

    /// Runs `work` on the entry of that name, under a lease that ends when `work` returns.
    ///
    /// For synchronous work this is cheaper than [`Registry::get`]: an owned lease counts a
    /// reference to the entry besides, and many readers of one entry get in each other's way
    /// there a second time. Keep `work` short, or free of other lookups, as for
    /// [`Swap::peek`].
    ///
    /// ```
    /// let registry = plugbay_registry::Registry::new("greeting");
    /// registry.register("plain", "hello")?;
    /// assert_eq!(registry.with("plain", |text| text.len())?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Registry::get`].
    #[inline]
    pub fn with<R>(&self, name: &str, work: impl FnOnce(&T) -> R) -> Result<R, NotFound> {
        let tried = self.current.peek(|generation| {
            let pass = generation.table.get(name).and_then(|entry| entry.enter().ok());
            match pass {
                Some(pass) => Ok(work(&pass)),
                None => Err(work),
            }
        });
        match tried {
            Ok(done) => Ok(done),
            // Absent, or retired between the look and the lease.
            Err(work) => Ok(work(&*self.get(name)?)),
        }
    }

    /// As [`Registry::get`], for names that must be there.
    ///
    /// # Panics
    ///
    /// If the name is not there; the message names it, and the names there are.
    #[track_caller]
    pub fn must_get(&self, name: &str) -> Lease<T> {
        match self.get(name) {
            Ok(lease) => lease,
            Err(missed) => panic!("{missed}"),
        }
    }

    /// Whether there is an entry of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.current.peek(|generation| generation.table.contains(name))
    }

    /// The entry of that name, without a lease: for callers that keep it, and
    /// lease it for each call. When it answers [`Closed`], look it up again.
    pub fn entry(&self, name: &str) -> Option<Arc<Leased<T>>> {
        self.current.peek(|generation| generation.table.get(name).cloned())
    }

    /// The names, sorted: a copy that the caller owns.
    pub fn names(&self) -> Vec<String> {
        self.current.peek(|generation| generation.table.names().map(str::to_owned).collect())
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.current.peek(|generation| generation.table.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The current generation, to be held for the length of one request.
    pub fn snapshot(&self) -> Arc<Generation<T>> {
        self.current.load()
    }

    /// Whether [`Registry::freeze`] was called.
    pub fn is_frozen(&self) -> bool {
        self.current.peek(|generation| generation.frozen)
    }

    /// A cursor that reports every change from now on; see [`Changes`].
    pub fn subscribe(&self) -> Changes {
        self.notifier.subscribe()
    }

    /// The fast path: the entry is there and open.
    #[inline]
    fn lookup_fast(&self, name: &str) -> Option<Lease<T>> {
        self.current.peek(|generation| generation.table.get(name)?.lease().ok())
    }

    /// The slow path: repeats the lookup until the answer is certain.
    ///
    /// Each round but the last saw a newer entry than the one before, so it repeats
    /// only as long as others publish. An entry that refuses twice was closed by
    /// hand: the registry takes out before it closes.
    #[cold]
    fn lookup_slow(&self, name: &str) -> Result<Lease<T>, Miss<T>> {
        let mut refused: Option<Arc<Leased<T>>> = None;
        loop {
            let generation = self.current.load();
            let Some(entry) = generation.table.get(name) else {
                return Err(Miss::Absent(generation));
            };
            match entry.lease() {
                Ok(lease) => return Ok(lease),
                Err(Closed) if refused.as_ref().is_some_and(|same| Arc::ptr_eq(same, entry)) => {
                    return Err(Miss::Closed(generation));
                }
                Err(Closed) => refused = Some(Arc::clone(entry)),
            }
        }
    }
}

impl<T> fmt::Debug for Registry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.current.peek(|generation| {
            f.debug_struct("Registry")
                .field("what", &self.what)
                .field("generation", &generation.number)
                .field("names", &generation.table.names().collect::<Vec<_>>())
                .field("frozen", &generation.frozen)
                .finish_non_exhaustive()
        })
    }
}
