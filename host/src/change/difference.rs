//! The difference between two sets of plugins, for people: what an action or a rollback changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::claims::routes_of;
use super::desired::Desired;
use crate::config::{Config, flat};
use crate::report::{Change, KeyChange, PluginChange, PluginVersion};
use crate::set::{Generation, Member, Offer, PastGeneration, PluginIdentity, Route, Wanted};

/// The plugins and the configuration of a set.
pub(crate) struct SetView {
    plugins: Vec<Wanted>,
    config: Arc<Config>,
}

impl SetView {
    /// The set of a generation. Of a plugin on trial it is the new version.
    pub(crate) fn of(generation: &Generation) -> Self {
        let plugins = generation.plugins.iter().map(|(_, member)| newest(member));
        Self { plugins: plugins.collect(), config: Arc::clone(&generation.config) }
    }

    /// The set that an earlier generation served.
    pub(crate) fn of_past(past: &PastGeneration) -> Self {
        Self { plugins: past.wanted.clone(), config: Arc::clone(&past.config) }
    }

    /// The set that is desired while `running` serves, as far as its plugins start.
    pub(crate) fn of_desired(
        desired: &Desired,
        running: &Generation,
        config: &Arc<Config>,
    ) -> Self {
        let kept = desired.kept.iter().filter_map(|name| running.plugins.get(name)).map(newest);
        let plugins = desired.wanted.iter().cloned().chain(kept);
        Self { plugins: plugins.collect(), config: Arc::clone(config) }
    }

    /// What differs in `next`.
    pub(crate) fn difference(&self, next: &Self) -> Change {
        let [before, after] = [self, next].map(Self::capabilities);
        let [routes_before, routes_after] = [self, next].map(Self::routes);
        let missing = |all: &BTreeSet<String>, among: &BTreeSet<String>| {
            all.difference(among).cloned().collect::<Vec<_>>()
        };
        Change {
            plugins: self.changed_plugins(next),
            capabilities_added: missing(&after, &before),
            capabilities_removed: missing(&before, &after),
            capabilities_held: Vec::new(),
            routes_added: missing(&routes_after, &routes_before),
            routes_removed: missing(&routes_before, &routes_after),
            config: changed_keys(&self.config, &next.config),
        }
    }

    fn capabilities(&self) -> BTreeSet<String> {
        let keys = self.plugins.iter().flat_map(|it| it.offer.description.keys());
        keys.map(|key| key.to_string()).collect()
    }

    fn routes(&self) -> BTreeSet<String> {
        routes_of(&self.config, &self.plugins).routes().map(route_text).collect()
    }

    fn changed_plugins(&self, next: &Self) -> Vec<PluginChange> {
        let by_name = |set: &Self| -> BTreeMap<String, Wanted> {
            let plugins = set.plugins.iter();
            plugins.map(|it| (it.identity.name.clone(), it.clone())).collect()
        };
        let (before, after) = (by_name(self), by_name(next));
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let changes = names.into_iter().filter_map(|name| {
            let (from, to) = (before.get(name), after.get(name));
            let differs = match (from, to) {
                (Some(from), Some(to)) => differing(from, to),
                _ => Vec::new(),
            };
            if from.is_some() && to.is_some() && differs.is_empty() {
                return None;
            }
            let mut change = PluginChange::new(name, from.map(version), to.map(version));
            change.differs = differs;
            Some(change)
        });
        changes.collect()
    }
}

fn newest(member: &Member) -> Wanted {
    let (running, source) = match &member.canary {
        Some(canary) => (&canary.running, &canary.source),
        None => (&member.running, &member.source),
    };
    let offer = Offer { source: source.clone(), ..running.offer.clone() };
    Wanted { identity: running.identity.clone(), offer }
}

/// A plugin as it serves in this generation.
pub(crate) fn version_of(member: &Member) -> PluginVersion {
    version(&newest(member))
}

fn version(wanted: &Wanted) -> PluginVersion {
    PluginVersion::new(
        wanted.offer.description.version.to_string(),
        wanted.identity.digest.to_string(),
        wanted.offer.source.to_string(),
    )
}

fn differing(from: &Wanted, to: &Wanted) -> Vec<String> {
    let PluginIdentity { digest, config, policy, name: _ } = &from.identity;
    let next = &to.identity;
    let differs = [
        ("version", from.offer.description.version != to.offer.description.version),
        ("digest", *digest != next.digest),
        ("config", *config != next.config),
        ("policy", *policy != next.policy),
    ];
    differs.into_iter().filter(|(_, it)| *it).map(|(what, _)| what.to_owned()).collect()
}

fn route_text(route: &Route) -> String {
    let methods = if route.methods.is_empty() { "any".to_owned() } else { route.methods.join(",") };
    format!("{methods} {} to {}", route.pattern, route.value.handler())
}

/// The keys that differ. The values of secrets are equal once they are hidden: a key that only they
/// change is listed all the same.
fn changed_keys(before: &Config, after: &Config) -> Vec<KeyChange> {
    if before == after {
        return Vec::new();
    }
    let names = || before.plugins.keys().chain(after.plugins.keys());
    // A section that is missing is one with the defaults.
    let [old, new] = [before, after].map(|config| {
        let mut config = Config::clone(config);
        for name in names() {
            config.plugins.entry(name.clone()).or_default();
        }
        flat(&config)
    });
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changes = keys.into_iter().filter_map(|key| {
        let (from, to) = (old.get(key), new.get(key));
        (from != to).then(|| KeyChange::new(key.clone(), from.cloned(), to.cloned()))
    });
    let mut changes: Vec<KeyChange> = changes.collect();
    for (name, settings) in &before.plugins {
        let section = format!("plugins.{}.", plugbay_core::key_part(name));
        let is_listed = changes.iter().any(|it| it.key.starts_with(&section));
        if !is_listed && after.plugins.get(name).is_some_and(|it| it != settings) {
            let hidden = || Some(Value::from("<hidden>"));
            changes.push(KeyChange::new(format!("{section}config"), hidden(), hidden()));
        }
    }
    changes
}
