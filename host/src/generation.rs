//! What is published: one immutable, numbered, complete set.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use plugbay_core::{
    CapabilityDescription, CapabilityKey, Context, Description, Kind, Provider, Services, Source,
};
use plugbay_guard::Guard;
use plugbay_registry::{Leased, NotFound, Pass, Swap, Table};

use crate::canary::Trial;
use crate::config::{Config, Restart};
use crate::desired::{Incumbent, Offer};
use crate::error::Error;
use crate::handle::{self, Handle};
use crate::health::HealthRecord;
use crate::history::Past;
use crate::hosted::Hosted;
use crate::outcome::Journal;
use crate::plan::Identity;
use crate::retire::Goodbye;
use crate::router::{RouteMatch, Router};
use crate::spread::Spread;
use crate::status::Rejected;
use crate::tally::Tally;

/// A started plugin version: what a lease is a lease of.
pub(crate) struct Running {
    pub(crate) identity: Identity,
    pub(crate) label: Arc<str>,
    pub(crate) description: Arc<Description>,
    /// What the plugin says of it, at hand for every call.
    pub(crate) calls_others: bool,
    /// One per described capability, in that order.
    pub(crate) providers: Vec<Provider>,
    /// NB: after the providers, which hold parts of it. So it is the last of them to go.
    pub(crate) plugin: Hosted,
    pub(crate) runtime: &'static str,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    /// What it was started from.
    pub(crate) offer: Offer,
    pub(crate) code_size: u64,
    pub(crate) started: SystemTime,
    /// What its calls have to pass.
    pub(crate) guard: Guard,
    /// What came of its calls.
    pub(crate) tally: Tally,
    /// What its health checks say.
    pub(crate) health: HealthRecord,
    /// Whether it was told that it ends.
    pub(crate) goodbye: Goodbye,
    /// Where changes of the two are noted.
    pub(crate) journal: Journal,
}

/// A plugin in a generation. The same [`Running`] may stand in many.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) running: Arc<Leased<Running>>,
    /// Where its bytes are now: a renamed file is the same plugin.
    pub(crate) source: Source,
    /// The first generation that held it.
    pub(crate) since: u64,
    /// A new version that serves a share of the calls, on trial.
    pub(crate) canary: Option<Canary>,
}

/// A plugin version on trial.
#[derive(Clone)]
pub(crate) struct Canary {
    pub(crate) running: Arc<Leased<Running>>,
    pub(crate) source: Source,
    /// The first generation that held it.
    pub(crate) since: u64,
    pub(crate) trial: Arc<Trial>,
}

impl Member {
    /// All versions of it that serve.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Leased<Running>>> {
        std::iter::once(&self.running).chain(self.canary.iter().map(|canary| &canary.running))
    }

    /// What it is, or is about to be.
    pub(crate) fn aim(&self) -> &Identity {
        let canary = self.canary.as_ref().map(|canary| &canary.running.identity);
        canary.unwrap_or(&self.running.identity)
    }
}

/// A plugin that offers a capability.
#[derive(Clone)]
pub(crate) struct Target {
    /// The running plugin's, at hand for every call.
    pub(crate) provider: Provider,
    pub(crate) running: Arc<Leased<Running>>,
    /// The capability's index in the plugin's description.
    pub(crate) index: usize,
}

impl Target {
    /// What the plugin says of the capability.
    pub(crate) fn described(&self) -> &CapabilityDescription {
        &self.running.description.capabilities[self.index]
    }

    /// The call object of kind `K`.
    #[inline]
    pub(crate) fn call<K: Kind>(&self) -> Option<&Arc<K::Call>> {
        self.provider.get::<K>()
    }
}

/// A capability in a generation.
#[derive(Clone)]
pub(crate) struct Capability {
    pub(crate) key: CapabilityKey,
    /// Who offers it; of several, the first.
    pub(crate) first: Target,
    /// The others, if there are any.
    pub(crate) spread: Option<Arc<Spread>>,
}

impl Capability {
    /// The provider of this index: 0 is the first.
    pub(crate) fn target(&self, index: usize) -> Option<&Target> {
        match index.checked_sub(1) {
            None => Some(&self.first),
            Some(index) => self.spread.as_ref()?.others.get(index),
        }
    }

    /// All who offer it, in order.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target> {
        let others = self.spread.iter().flat_map(|spread| &spread.others);
        std::iter::once(&self.first).chain(others)
    }
}

/// One immutable, numbered, complete set.
pub(crate) struct Generation {
    pub(crate) number: u64,
    pub(crate) published: SystemTime,
    pub(crate) config: Arc<Config>,
    pub(crate) plugins: Table<Member>,
    /// By `kind:name`.
    pub(crate) capabilities: Table<Capability>,
    pub(crate) router: Router,
    /// Counts the calls that may call other plugins of this generation. Plugins that the
    /// generation holds are not shut down before they end: such a call keeps its snapshot
    /// to the end, nested calls included.
    pub(crate) users: Arc<Leased<()>>,
}

impl Generation {
    /// The capability, with the names of its kind if it is not there.
    pub(crate) fn capability(
        &self,
        kind: &'static str,
        key: &str,
    ) -> Result<&Capability, NotFound> {
        self.capabilities.get(key).ok_or_else(|| self.not_found(kind, key))
    }

    /// What names, capabilities and routes of newcomers are judged by. `places` says where each
    /// plugin was found last, which its last good version need not be from.
    pub(crate) fn incumbents(
        &self,
        places: &BTreeMap<String, Source>,
    ) -> BTreeMap<String, Incumbent> {
        let members = self.plugins.iter().map(|(name, member)| {
            let description = Arc::clone(&member.running.description);
            let canary = member.canary.as_ref().map(|canary| &canary.source);
            let sources = places.get(name).into_iter().chain(canary).chain([&member.source]);
            (name.to_owned(), Incumbent { sources: sources.cloned().collect(), description })
        });
        members.collect()
    }

    #[cold]
    fn not_found(&self, kind: &'static str, key: &str) -> NotFound {
        let name = key.split_once(':').map_or(key, |(_, name)| name);
        let known = self.names(kind).into_iter().map(|name| (name, ()));
        let table = Table::try_from_iter(known).unwrap_or_else(|_| Table::empty());
        match table.called(kind).find(name) {
            Err(missed) => missed,
            // The key is not there, so its name is not among the names of its kind.
            Ok(()) => Table::<()>::empty().called(kind).find(name).expect_err("an empty table"),
        }
    }

    /// The names of a kind's capabilities, sorted.
    pub(crate) fn names(&self, kind: &str) -> Vec<String> {
        let of_kind = self.capabilities.iter().filter(|(_, it)| it.key.kind == kind);
        of_kind.map(|(_, capability)| capability.key.name.clone()).collect()
    }
}

/// What the cell holds: the generation that serves, and what the last look found beside it.
/// One store publishes both, so that no reader sees one without the other.
pub(crate) struct Published {
    pub(crate) generation: Arc<Generation>,
    /// The same generation, as plugins see it.
    pub(crate) services: Arc<dyn Services>,
    pub(crate) rejected: Arc<[Rejected]>,
    /// The generation that an operator went back to, while changes wait.
    pub(crate) pinned: Option<u64>,
    /// What can be gone back to, oldest first.
    pub(crate) history: Arc<[Arc<Past>]>,
    pub(crate) pending_restart: Arc<[Restart]>,
}

/// The one cell that requests read and the reconciler stores to.
pub(crate) type Cell = Swap<Published>;

/// The counted right to call one capability in one generation.
pub(crate) struct Entered<'a> {
    /// Given back first, in the order of the fields.
    _plugin: Option<Pass<'a, Running>>,
    /// Of the generation, if other plugins in it may be called.
    _users: Option<Pass<'a, ()>>,
}

impl Published {
    /// Takes the right to call `capability`, or `None` if the set was retired meanwhile.
    #[inline]
    pub(crate) fn enter<'a>(&'a self, capability: &'a Capability) -> Option<Entered<'a>> {
        if capability.spread.is_some() {
            // Nobody knows yet who will answer. With the generation, no plugin in it can be
            // shut down.
            return Some(Entered {
                _plugin: None,
                _users: Some(self.generation.users.enter().ok()?),
            });
        }
        let running = &capability.first.running;
        let users =
            if running.calls_others { Some(self.generation.users.enter().ok()?) } else { None };
        Some(Entered { _plugin: Some(running.enter().ok()?), _users: users })
    }

    /// The context of a call from outside.
    #[inline]
    pub(crate) fn context(&self) -> Context<'_> {
        Context::new(&self.services)
    }
}

/// A caller's view of one generation: whatever is asked of it comes from the same set.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) cell: Arc<Cell>,
    pub(crate) published: Arc<Published>,
}

impl Snapshot {
    /// The generation's number: 1 for the first, one more for each that follows.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.published.generation.number
    }

    /// The names of a kind's capabilities, sorted.
    #[must_use]
    pub fn names(&self, kind: &str) -> Vec<String> {
        self.published.generation.names(kind)
    }

    /// The configuration that this generation runs by.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.published.generation.config
    }

    /// Takes a lease of a capability in this generation.
    ///
    /// If the generation was retired since the snapshot was taken, the lease is of the one
    /// that runs now: ask before the work begins, and keep the lease to its end.
    ///
    /// # Errors
    ///
    /// If the generation does not hold the capability, or the host is shut down.
    pub fn lease<K: Kind>(&self, name: &str) -> Result<handle::Leased<K>, Error> {
        let key = format!("{}:{name}", K::NAME);
        self.published.generation.capability(K::NAME, &key)?;
        handle::Leased::take(&self.published, &key)
            .or_else(|_missed| Handle::new(Arc::clone(&self.cell), name)?.lease())
    }

    /// Finds what serves an HTTP request. `path` is percent-encoded as it came, without the
    /// query.
    #[must_use]
    pub fn route(&self, method: &str, path: &str) -> RouteMatch {
        self.published.generation.router.route(self, method, path)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("generation", &self.generation()).finish_non_exhaustive()
    }
}
