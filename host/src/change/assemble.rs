//! Assembles a generation from the members that stay and those that were started.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use plugbay_core::CapabilityKey;
use plugbay_guard::WeightedProvider;
use plugbay_registry::{Leased, Table};

use super::claims::Settled;
use crate::config::{Config, Strategy};
use crate::set::{
    Balancing, Capability, Generation, Member, Retries, Rule, Running, Target, Trial,
};

/// Whether a generation already serves exactly these members, with this configuration.
pub(crate) fn is_same<'m>(
    old: &Generation,
    config: &Arc<Config>,
    mut members: impl ExactSizeIterator<Item = &'m Member>,
) -> bool {
    let trial = |member: &Member| member.canary.as_ref().map(|it| Arc::as_ptr(&it.trial));
    let same_versions = |old: &Member, new: &Member| {
        old.all().count() == new.all().count()
            && old.all().zip(new.all()).all(|(old, new)| Arc::ptr_eq(old, new))
            && trial(old) == trial(new)
    };
    let same_member = |member: &Member| {
        let old = old.plugins.get(&member.running.identity.name);
        old.is_some_and(|it| same_versions(it, member) && it.source == member.source)
    };
    old.number > 0
        && old.plugins.len() == members.len()
        && old.config == *config
        && members.all(same_member)
}

/// Assembles the next generation from members that do not clash.
pub(crate) fn assemble(
    before: &Generation,
    base: &Arc<Config>,
    config: &Arc<Config>,
    settled: Settled,
) -> Generation {
    let Settled { members, router } = settled;
    let mut offered: BTreeMap<String, Vec<Offered>> = BTreeMap::new();
    for member in members.values() {
        for (key, offer) in offers(member) {
            offered.entry(key.to_string()).or_default().push(offer);
        }
    }
    let capabilities = offered
        .into_iter()
        .filter_map(|(key, offered)| Some((key, capability(before, config, offered)?)))
        .collect();
    Generation {
        number: before.number + 1,
        published: SystemTime::now(),
        config: Arc::clone(config),
        base: Arc::clone(base),
        plugins: table("plugin", members),
        capabilities: table("capability", capabilities),
        router,
        users: Arc::new(Leased::new(())),
        counts: Arc::clone(&before.counts),
    }
}

/// One capability that one plugin offers.
struct Offered {
    plugin: String,
    key: CapabilityKey,
    target: Target,
    /// The same capability of the version on trial.
    canary: Option<(Target, Arc<Trial>)>,
}

/// All capabilities that a member offers: those that both its versions have, and those that one of
/// them has.
fn offers(member: &Member) -> Vec<(CapabilityKey, Offered)> {
    let plugin = &member.running.identity.name;
    let mut offers: Vec<(CapabilityKey, Offered)> = Vec::new();
    for (key, target) in targets(&member.running) {
        let offered = Offered { plugin: plugin.clone(), key: key.clone(), target, canary: None };
        offers.push((key, offered));
    }
    let Some(canary) = &member.canary else { return offers };
    for (key, target) in targets(&canary.running) {
        if let Some((_, offered)) = offers.iter_mut().find(|(it, _)| *it == key) {
            offered.canary = Some((target, Arc::clone(&canary.trial)));
        } else {
            let offered =
                Offered { plugin: plugin.clone(), key: key.clone(), target, canary: None };
            offers.push((key, offered));
        }
    }
    offers
}

fn targets(running: &Arc<Leased<Running>>) -> Vec<(CapabilityKey, Target)> {
    let described = running.description.capabilities.iter().enumerate();
    let targets = described.filter_map(|(index, capability)| {
        // A plugin starts with one provider for each capability that it describes.
        let provider = running.providers.get(index).cloned()?;
        let key = CapabilityKey::new(&*capability.kind, &*capability.name);
        Some((key, Target { provider, running: Arc::clone(running), index }))
    });
    targets.collect()
}

/// A capability, assembled from all plugins that offer it.
fn capability(
    before: &Generation,
    config: &Config,
    mut offered: Vec<Offered>,
) -> Option<Capability> {
    let key = offered.first()?.key.clone();
    let settings = config.capabilities.get(&key);
    let retries = retries(before, config, &key);
    let without_share = |offered: &Offered| match settings.map(|it| &it.strategy) {
        Some(Strategy::Split { providers, weights, .. }) => {
            let place = providers.iter().position(|it| *it == offered.plugin);
            place.is_some_and(|place| weights.get(place) == Some(&0))
        }
        _ => false,
    };
    if offered.len() == 1 && !offered.iter().any(without_share) {
        let Offered { target: first, canary, .. } = offered.pop()?;
        let sticky = settings.and_then(|settings| settings.strategy.key().cloned());
        let balancing = canary.map(|(target, trial)| {
            let (others, rule) = (vec![target], Rule::Canary(trial));
            Arc::new(Balancing { others, rule, key: sticky, retries })
        });
        return Some(Capability { key, first, balancing });
    }
    let strategy = &settings?.strategy;
    let place = |plugin: &str| strategy.providers().iter().position(|it| it == plugin);
    offered.sort_by_key(|offered| place(&offered.plugin));
    let rule = match strategy {
        Strategy::Split { weights, .. } => {
            let weight = |offered: &Offered| Some(*weights.get(place(&offered.plugin)?)?);
            let provider =
                |it: &Offered| WeightedProvider::new(&it.plugin, weight(it).unwrap_or_default());
            Rule::Split(offered.iter().map(provider).collect())
        }
        Strategy::Failover { .. } => Rule::Failover,
        // A canary has one provider, which is handled above.
        Strategy::Canary { .. } => return None,
    };
    let mut targets = offered.into_iter().map(|offered| offered.target);
    let first = targets.next()?;
    let (others, key_of_calls) = (targets.collect(), strategy.key().cloned());
    let balancing = Balancing { others, rule, key: key_of_calls, retries };
    Some(Capability { key, first, balancing: Some(Arc::new(balancing)) })
}

/// The retries of a capability: those of the generation before, if its settings are unchanged.
fn retries(before: &Generation, config: &Config, key: &CapabilityKey) -> Arc<Retries> {
    let settings = config.capabilities.get(key);
    let known = before.capabilities.get(&key.to_string()).and_then(|it| it.balancing.as_ref());
    match known.filter(|_| before.config.capabilities.get(key) == settings) {
        Some(balancing) => Arc::clone(&balancing.retries),
        None => Arc::new(match settings.map(|settings| &settings.strategy) {
            Some(Strategy::Failover { retries, .. }) => Retries::within(*retries, &before.counts),
            _ => Retries::within(0, &before.counts),
        }),
    }
}

/// A table from a map, whose names are unique.
fn table<V: Clone>(what: &'static str, map: BTreeMap<String, V>) -> Table<V> {
    let mut table = Table::empty().called(what);
    if let Ok(full) = Table::try_from_iter(map) {
        table = full.called(what);
    }
    table
}
