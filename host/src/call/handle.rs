//! Typed handles: callers hold one, and each call through it finds the current plugin.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plugbay_core::{CallError, CallErrorKind, Context, Kind};
use plugbay_registry::NotFound;

use super::dispatch;
use super::error::Error;
use super::leased::{CapabilityLease, LeaseError};
use super::options::CallOptions;
use crate::set::{Capability, Cell, PublishedSet};

/// A capability by kind and name, provided by the plugin that offers it at the time of the call.
///
/// A handle holds no plugin: a call goes to the generation that runs when the call begins,
/// and stays with it to the end.
///
/// For the built-in kinds there are [`CodecHandle`](crate::CodecHandle) and
/// [`HandlerHandle`](crate::HandlerHandle); this one calls the interface of any kind:
///
/// ```
/// use plugbay::{CallOptions, Codec, Handle, Host};
/// # use plugbay::Config;
///
/// # let mut config = Config::default();
/// # config.host.linked = false;
/// # config.host.cache = Default::default();
/// # let echo = plugbay_fixtures::Guest::codec("echo").build();
/// # let builder = Host::builder().config(config).watch(false).artifact("echo", echo);
/// # let host = builder.build_blocking()?;
/// let echo: Handle<Codec> = host.get("echo")?;
/// let null = [0xf6]; // CBOR
/// let bytes = echo.call(CallOptions::default(), |codec, context| codec.encode(context, &null))?;
/// assert_eq!(bytes, null);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Handle<K> {
    cell: Arc<Cell>,
    /// `kind:name`.
    key: Arc<str>,
    position: Position,
    kind: PhantomData<fn() -> K>,
}

/// The position of the last lookup: the generation's number and the index in its table, in one
/// word, so that a warm call compares instead of searching.
#[derive(Default)]
struct Position(AtomicU64);

impl Position {
    const INDEX_BITS: u32 = 20;
    const INDEX_MASK: u64 = (1 << Self::INDEX_BITS) - 1;

    /// The index, if it was stored for this generation. The word 0 means that no position is
    /// stored.
    #[inline]
    fn get(&self, generation: u64) -> Option<usize> {
        let word = self.0.load(Ordering::Relaxed);
        let noted = word >> Self::INDEX_BITS == (generation & (u64::MAX >> Self::INDEX_BITS));
        (noted && word != 0).then_some((word & Self::INDEX_MASK) as usize)
    }

    fn set(&self, generation: u64, index: usize) {
        let index = index as u64;
        if index <= Self::INDEX_MASK {
            self.0.store(generation << Self::INDEX_BITS | index, Ordering::Relaxed);
        }
    }
}

/// The result of an attempt on one set.
enum Attempt<R> {
    Done(R),
    /// The set with this number was retired meanwhile.
    Retired(u64),
}

impl<K: Kind> Handle<K> {
    pub(crate) fn new(cell: Arc<Cell>, name: &str) -> Result<Self, NotFound> {
        let key = Arc::from(format!("{}:{name}", K::NAME));
        let handle = Self { cell, key, position: Position::default(), kind: PhantomData };
        handle.cell.peek(|published| handle.find(published).map(|_| ()))?;
        Ok(handle)
    }

    /// The capability's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.key.split_once(':').map_or(&*self.key, |(_, name)| name)
    }

    /// Calls the capability on this thread: one snapshot, one lease, given back on return. If there
    /// are several providers, the configuration decides which are called, and `call` runs once for
    /// each of them. `options` says whether the call may be repeated, because the host cannot know
    /// that for your kind.
    ///
    /// # Errors
    ///
    /// If the running generation does not hold the capability, if the plugin takes no calls at the
    /// moment, or the error that `call` returns.
    pub fn call<R>(
        &self,
        options: CallOptions<'_>,
        mut call: impl FnMut(&K::Call, &Context<'_>) -> Result<R, CallError>,
    ) -> Result<R, Error> {
        self.call_named(options, |target, context, _plugin| call(target, context))
    }

    /// As [`Handle::call`]; `call` also gets `name@version` of the plugin that it calls.
    #[inline]
    pub(crate) fn call_named<R>(
        &self,
        options: CallOptions<'_>,
        mut call: impl FnMut(&K::Call, &Context<'_>, &Arc<str>) -> Result<R, CallError>,
    ) -> Result<R, Error> {
        self.on_current(|| {
            // The whole call runs under the cell's cheap guard, which cannot leave the closure.
            self.cell.peek(|published| {
                let (_, capability) = self.find(published)?;
                let Some(_entered) = published.enter(capability) else {
                    return Ok(Attempt::Retired(published.generation.number));
                };
                let context = options.bound(published.context())?;
                let answer = dispatch::call::<K, R>(capability, &context, options, &mut call)?;
                Ok(Attempt::Done(answer))
            })
        })
    }

    /// Takes a lease for a call that outlives this function: the snapshot and the plugin
    /// version stay until it is dropped.
    ///
    /// # Errors
    ///
    /// If the running generation does not hold the capability.
    pub fn lease(&self) -> Result<CapabilityLease<K>, Error> {
        self.on_current(|| {
            let published = self.cell.load();
            let (position, _) = self.find(&published)?;
            match CapabilityLease::take(&published, position) {
                Ok(leased) => Ok(Attempt::Done(leased)),
                Err(LeaseError::WrongKind(error)) => Err(error.into()),
                Err(LeaseError::Retired) => Ok(Attempt::Retired(published.generation.number)),
            }
        })
    }

    /// Runs `attempt` on the current set, and again on the next one if the set was retired before
    /// `attempt` took the right to call.
    #[inline]
    fn on_current<R>(
        &self,
        mut attempt: impl FnMut() -> Result<Attempt<R>, Error>,
    ) -> Result<R, Error> {
        let mut last = None;
        loop {
            match attempt()? {
                Attempt::Done(answer) => return Ok(answer),
                // A set is retired after the next one was published, or because the host is shut
                // down.
                Attempt::Retired(generation) if last == Some(generation) => {
                    return Err(self.retired().into());
                }
                Attempt::Retired(generation) => last = Some(generation),
            }
        }
    }

    /// The capability, and its position in this set.
    #[inline]
    fn find<'a>(&self, published: &'a PublishedSet) -> Result<(usize, &'a Capability), NotFound> {
        let generation = &published.generation;
        if let Some(position) = self.position.get(generation.number)
            && let Some((_, capability)) = generation.capabilities.at(position)
        {
            return Ok((position, capability));
        }
        let found = generation.capability(K::NAME, &self.key)?;
        self.position.set(generation.number, found.0);
        Ok(found)
    }

    fn retired(&self) -> CallError {
        CallError::new(CallErrorKind::Retired, format!("{}: the host is shut down", self.key))
    }
}

impl<K> Clone for Handle<K> {
    fn clone(&self) -> Self {
        Self {
            cell: Arc::clone(&self.cell),
            key: Arc::clone(&self.key),
            position: Position::default(),
            kind: PhantomData,
        }
    }
}

impl<K> fmt::Debug for Handle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.key).finish()
    }
}
