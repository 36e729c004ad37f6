//! The registry of collectors.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::claims::{self, Claims, Clash};
use crate::collector::Collector;
use crate::described::Described;
use crate::entry::Entry;
use crate::error::{Collision, RegisterError};
use crate::family::Family;
use crate::gather::{self, Gathered, panic_message};
use crate::own::{self, Counts, OWN};
use crate::samples::Limits;

/// The longest name of a collector.
const MAX_NAME: usize = 64;

/// The registry of collectors. Cheap to clone: clones share everything.
#[derive(Clone, Default)]
pub struct Collectors(Arc<Shared>);

#[derive(Default)]
struct Shared {
    limits: Limits,
    /// In the order of registration.
    entries: Mutex<Vec<Arc<Entry>>>,
    /// Held while collectors are asked, so that two requests at the same time do not take each other's
    /// work for a collector that hangs.
    gathering: Mutex<()>,
}

impl Collectors {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty registry with these limits.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self(Arc::new(Shared { limits, ..Shared::default() }))
    }

    /// Registers a collector. Everything that it describes is checked before anything changes, so that it
    /// is registered completely or not at all.
    ///
    /// # Errors
    ///
    /// If a description breaks a rule; or if a name is taken, by another collector or by another description
    /// of the same one, also one that only a series would have, such as the `_count` of a histogram. The
    /// error has the collector that is there.
    pub fn register(&self, name: &str, collector: Arc<dyn Collector>) -> Result<(), RegisterError> {
        let invalid = |problem| RegisterError::Invalid { collector: name.to_owned(), problem };
        if !(1..=MAX_NAME).contains(&name.len()) || name.contains(char::is_control) {
            return Err(invalid(format!(
                "expected a name of 1 to {MAX_NAME} bytes without control characters, found {} bytes",
                name.len()
            )));
        }
        // No lock is held: `describe` may use this registry.
        let described = catch_unwind(AssertUnwindSafe(|| collector.describe()));
        let described: Arc<[Described]> = match described {
            Ok(described) => described.into(),
            Err(payload) => {
                let message = panic_message(&*payload);
                return Err(RegisterError::Panicked { collector: name.to_owned(), message });
            }
        };
        if let Some(problem) = described.iter().find_map(claims::problem) {
            return Err(invalid(problem));
        }
        let collision = |clash: Clash, holder: &str, existing| {
            Box::new(Collision {
                collector: name.to_owned(),
                family: Some(clash.wanted),
                name: clash.name,
                holder: holder.to_owned(),
                holder_family: Some(clash.holder),
                existing,
            })
        };
        let claims = Claims::of(&described).map_err(|clash| collision(clash, name, None))?;
        if let Ok(own) = Claims::of(&own::described())
            && let Some(clash) = own.clash(&claims)
        {
            return Err(collision(clash, OWN, None).into());
        }
        let mut entries = self.entries();
        for entry in entries.iter() {
            let existing = || Some(Arc::clone(&entry.collector));
            if entry.name == name {
                let (name, holder) = (name.to_owned(), name.to_owned());
                return Err(RegisterError::Collision(Box::new(Collision {
                    collector: name.clone(),
                    family: None,
                    name,
                    holder,
                    holder_family: None,
                    existing: existing(),
                })));
            }
            if let Some(clash) = entry.claims.clash(&claims) {
                return Err(collision(clash, &entry.name, existing()).into());
            }
        }
        let (counts, busy) = (Counts::default(), AtomicBool::new(false));
        let name = name.to_owned();
        entries.push(Arc::new(Entry { name, collector, described, claims, counts, busy }));
        Ok(())
    }

    /// Removes a collector, and returns it. Its names are free at once; a request that is being answered
    /// may still hold its figures.
    #[must_use = "it says whether there was such a collector"]
    pub fn unregister(&self, name: &str) -> Option<Arc<dyn Collector>> {
        let mut entries = self.entries();
        let place = entries.iter().position(|entry| entry.name == name)?;
        Some(Arc::clone(&entries.remove(place).collector))
    }

    /// The names of the collectors, in the order of registration.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.entries().iter().map(|entry| entry.name.clone()).collect()
    }

    /// All families that are described, by name: those of the collectors, and the registry's own.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let entries = self.entries().clone();
        let described = entries.iter().map(|entry| Arc::clone(&entry.described));
        let described: Vec<Arc<[Described]>> = described.chain([own::described()]).collect();
        let families = described.iter().flat_map(|it| it.iter()).filter_map(|one| match one {
            Described::Family(family) => Some(family.clone()),
            Described::Namespace(_) => None,
        });
        let mut families: Vec<Family> = families.collect();
        families.sort_by(|one, other| one.name().cmp(other.name()));
        families
    }

    /// Asks all collectors, in parallel, and waits for each until `deadline` is over. A collector that
    /// panics or hangs costs only its own figures, and is named in the result; one that still hangs is not
    /// asked again. Blocks.
    #[must_use]
    pub fn gather(&self, deadline: Duration) -> Gathered {
        let _alone = self.0.gathering.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = self.entries().clone();
        gather::gather(&entries, self.0.limits, deadline)
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Arc<Entry>>> {
        // No code of a collector runs while it is held.
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Collectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Collectors").field(&self.names()).finish()
    }
}
