//! A generation: one immutable, numbered, complete set.

use std::sync::Arc;
use std::time::SystemTime;

use plugbay_registry::{Leased, NotFound, Table};

use super::capability::Capability;
use super::counts::SetCounts;
use super::member::Member;
use super::router::Router;
use super::running::Running;
use crate::config::Config;

/// One immutable, numbered, complete set.
pub(crate) struct Generation {
    pub(crate) number: u64,
    pub(crate) published: SystemTime,
    /// In force: the configuration with what operators switched.
    pub(crate) config: Arc<Config>,
    /// The configuration without that.
    pub(crate) base: Arc<Config>,
    pub(crate) plugins: Table<Member>,
    /// By `kind:name`.
    pub(crate) capabilities: Table<Capability>,
    pub(crate) router: Router,
    /// Counts the calls that may call other plugins of this generation. The plugins of the
    /// generation are not shut down before these calls end: such a call keeps its snapshot to the
    /// end, nested calls included.
    pub(crate) users: Arc<Leased<()>>,
    /// The counts that all generations of the host share.
    pub(crate) counts: Arc<SetCounts>,
}

impl Generation {
    /// The capability and its position in the table, or an error that lists the names of its kind.
    pub(crate) fn capability(
        &self,
        kind: &'static str,
        key: &str,
    ) -> Result<(usize, &Capability), NotFound> {
        let position = self.capabilities.index_of(key);
        let found = position.and_then(|at| Some((at, self.capabilities.at(at)?.1)));
        match found {
            Some(found) => {
                self.counts.hit();
                Ok(found)
            }
            None => Err(self.not_found(kind, key)),
        }
    }

    /// Whether the generation holds exactly this running plugin version.
    pub(crate) fn holds(&self, running: &Arc<Leased<Running>>) -> bool {
        let member = self.plugins.get(&running.identity.name);
        member.is_some_and(|member| member.all().any(|it| Arc::ptr_eq(it, running)))
    }

    #[cold]
    fn not_found(&self, kind: &'static str, key: &str) -> NotFound {
        self.counts.miss();
        let name = key.split_once(':').map_or(key, |(_, name)| name);
        let known = self.names(kind).into_iter().map(|name| (name, ()));
        let table = Table::try_from_iter(known).unwrap_or_else(|_| Table::empty());
        match table.called(kind).find(name) {
            Err(missed) => missed,
            // The key is missing, so its name is not among the names of its kind.
            Ok(()) => Table::<()>::empty().called(kind).find(name).expect_err("an empty table"),
        }
    }

    /// The names of a kind's capabilities, sorted.
    pub(crate) fn names(&self, kind: &str) -> Vec<String> {
        let of_kind = self.capabilities.iter().filter(|(_, it)| it.key.kind == kind);
        of_kind.map(|(_, capability)| capability.key.name.clone()).collect()
    }
}
