//! Puts a generation together of what stays and what was started.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use plugbay_core::{CapabilityKey, Reason, Refusal};
use plugbay_registry::{Leased, Table};

use crate::config::Config;
use crate::desired::{Refused, configured_routes, routes_that_fit, suggested_routes};
use crate::generation::{Capability, Generation, Member, Published, Running};
use crate::services::GenerationServices;

/// Whether a generation holds this very plugin version.
pub(crate) fn holds(generation: &Generation, running: &Arc<Leased<Running>>) -> bool {
    let member = generation.plugins.get(&running.identity.name);
    member.is_some_and(|member| Arc::ptr_eq(&member.running, running))
}

/// Whether two sets serve the same.
pub(crate) fn is_same(old: &Generation, new: &Generation) -> bool {
    let same_member = |name: &str, member: &Member| {
        old.plugins.get(name).is_some_and(|it| {
            Arc::ptr_eq(&it.running, &member.running) && it.source == member.source
        })
    };
    old.config == new.config
        && old.plugins.len() == new.plugins.len()
        && new.plugins.iter().all(|(name, member)| same_member(name, member))
}

/// Puts the next generation together. Members come in order of precedence; one that clashes
/// with an earlier one (its capability is that of a last good version that stays) is left
/// out. What serves already stays: at most it loses a route to the configuration.
pub(crate) fn assemble(
    before: &Generation,
    config: &Arc<Config>,
    members: Vec<Member>,
    refused: &mut Vec<Refused>,
) -> (Generation, Vec<Arc<Leased<Running>>>) {
    let mut plugins: BTreeMap<String, Member> = BTreeMap::new();
    let mut capabilities: BTreeMap<String, Capability> = BTreeMap::new();
    let mut router = configured_routes(config);
    let mut left_out = Vec::new();
    for member in members {
        let description = Arc::clone(&member.running.description);
        let name = member.running.identity.name.clone();
        let keys: Vec<_> = description
            .capabilities
            .iter()
            .map(|it| CapabilityKey::new(&*it.kind, &*it.name))
            .collect();
        let mut with_routes = router.clone();
        let serves = holds(before, &member.running);
        let taken = keys.iter().find_map(|key| Some((key, capabilities.get(&key.to_string())?)));
        let clash = if let Some(other) = plugins.get(&name) {
            let message =
                format!("expected no other plugin {name:?}, found one in {}", other.source);
            Err(Refusal::new(Reason::NameClash, message))
        } else if let Some((key, other)) = taken {
            let owner = &other.running.identity.name;
            let message = format!("expected no other plugin to offer {key}, found {owner:?}");
            Err(Refusal::new(Reason::CapabilityClash, message))
        } else if serves {
            routes_that_fit(&mut with_routes, &name, &description);
            Ok(())
        } else {
            suggested_routes(&mut with_routes, &name, &description)
        };
        if let Err(refusal) = clash {
            refused.push(Refused {
                source: member.source,
                plugin: Some(name),
                digest: Some(member.running.identity.digest),
                refusal: refusal.hint("the last good version of another plugin has it"),
            });
            if !serves {
                left_out.push(member.running);
            }
            continue;
        }
        router = with_routes;
        for (index, key) in keys.into_iter().enumerate() {
            let running = Arc::clone(&member.running);
            // A plugin starts with one provider for each capability that it describes.
            let Some(provider) = running.providers.get(index).cloned() else { continue };
            capabilities.insert(key.to_string(), Capability { key, provider, running, index });
        }
        plugins.insert(name, member);
    }
    let generation = Generation {
        number: before.number + 1,
        published: SystemTime::now(),
        config: Arc::clone(config),
        plugins: table("plugin", plugins),
        capabilities: table("capability", capabilities),
        router,
        users: Arc::new(Leased::new(())),
    };
    (generation, left_out)
}

/// A table of a map: names are unique already.
fn table<V: Clone>(what: &'static str, map: BTreeMap<String, V>) -> Table<V> {
    let mut table = Table::empty().called(what);
    if let Ok(full) = Table::try_from_iter(map) {
        table = full.called(what);
    }
    table
}

/// The generation before the first: it holds nothing.
pub(crate) fn nothing(config: Arc<Config>) -> Published {
    let generation = Arc::new(Generation {
        number: 0,
        published: SystemTime::now(),
        router: configured_routes(&config),
        config,
        plugins: Table::empty().called("plugin"),
        capabilities: Table::empty().called("capability"),
        users: Arc::new(Leased::new(())),
    });
    Published {
        services: GenerationServices::of(Arc::clone(&generation)),
        generation,
        rejected: Arc::from([]),
        pending_restart: Arc::from([]),
    }
}
