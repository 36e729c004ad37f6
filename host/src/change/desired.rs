//! Computes the desired plugins from the folder and the configuration. Pure.
//!
//! Every artifact that could be described becomes a plugin under the name in its description, or
//! under each `[plugins.NAME]` that claims it by `artifact = …`. Then names, capabilities and
//! routes are assigned, in order of precedence: linked plugins and plugins that run already, then
//! others by file name; of one plugin the newest version. A plugin that clashes with an earlier one
//! is contested: it is refused, unless the other one does not start. A linked plugin is left out
//! without a report if a file has the same plugin name, because such a file is meant to replace it.
//! It gives way to nothing else.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use plugbay_core::{Description, Isolation, Policy, Reason, Refusal, Source, cut, key_part};
use plugbay_registry::migrate::Violation;
use serde_json::Value;

use super::claims::{Claim, Claims, Contested};
use crate::config::Config;
use crate::config::schema::check_plugin_config;
use crate::report::Rejection;
use crate::set::{Generation, Incumbent, Offer, PluginIdentity, Wanted};

/// A schema in a hint is cut to this many bytes.
const MAX_SCHEMA: usize = 1024;

/// The plugins that should run, and what was refused.
#[derive(Debug, Default)]
pub(crate) struct Desired {
    pub(crate) wanted: Vec<Wanted>,
    /// Running plugins that stay as they are, because what should replace them was refused.
    pub(crate) kept: BTreeSet<String>,
    /// Plugins that clash with what is wanted or kept, in order of precedence.
    pub(crate) contested: Vec<Contested>,
    pub(crate) refused: Vec<Rejection>,
}

/// Resolves names, configurations and clashes.
///
/// `failed` are the sources that are there but could not be read or described: plugins that run
/// from them stay.
pub(crate) fn resolve(
    config: &Config,
    offers: &[Offer],
    failed: &BTreeSet<Source>,
    running: &BTreeMap<String, Incumbent>,
) -> Desired {
    let mut desired = Desired::default();
    let mut candidates = Vec::new();
    for offer in offers {
        for name in names(config, offer) {
            match candidate(config, offer, &name) {
                Ok(Some(wanted)) => candidates.push(wanted),
                Ok(None) => {}
                Err(refusal) => desired.refuse(offer, &name, refusal, running),
            }
        }
    }
    for (name, incumbent) in running {
        let disabled = config.plugins.get(name).is_some_and(|settings| !settings.enabled);
        if incumbent.sources.iter().any(|it| failed.contains(it)) && !disabled {
            desired.kept.insert(name.clone());
        }
    }
    missing_artifacts(config, offers, failed, &mut desired);
    let in_files = candidates.iter().filter(|it| !is_linked(&it.offer.source));
    let in_files: BTreeSet<String> = in_files.map(|it| it.identity.name.clone()).collect();
    let mut first_found: BTreeMap<String, Source> = BTreeMap::new();
    for Wanted { identity, offer } in &candidates {
        let first =
            first_found.entry(identity.name.clone()).or_insert_with(|| offer.source.clone());
        if offer.source < *first {
            first.clone_from(&offer.source);
        }
    }
    candidates.sort_by_cached_key(|Wanted { identity, offer }| {
        let linked = is_linked(&offer.source);
        let rank = match linked {
            true if in_files.contains(&identity.name) => 2,
            true => 0,
            false => u8::from(!running.contains_key(&identity.name)),
        };
        // Of several files of one plugin the newest version comes first, even if another one runs:
        // after a restart the same version must run.
        let newest = Reverse(offer.description.version.clone());
        (rank, first_found.get(&identity.name).cloned(), newest, offer.source.clone())
    });
    let mut claims = Claims::new(config);
    for name in &desired.kept {
        keep(&mut claims, name, running);
    }
    for wanted in candidates {
        let name = wanted.identity.name.clone();
        let refusal = match claims.claim(&Claim::of_wanted(&wanted)) {
            Ok(()) => {
                desired.wanted.push(wanted);
                continue;
            }
            Err(refusal) => refusal,
        };
        if !is_linked(&wanted.offer.source) {
            desired.keep(&name, running);
            if desired.kept.contains(&name) {
                keep(&mut claims, &name, running);
            }
        }
        let replaces_running = refusal.reason != Reason::NameClash && desired.kept.contains(&name);
        desired.contested.push(Contested { wanted, refusal, replaces_running });
    }
    desired
}

/// Assigns to a running plugin what it has.
fn keep(claims: &mut Claims<'_>, name: &str, running: &BTreeMap<String, Incumbent>) {
    if let Some(claim) = running.get(name).and_then(|it| Claim::of_incumbent(name, it)) {
        // Running plugins do not clash with each other.
        let _ = claims.claim(&claim);
    }
}

impl Desired {
    /// Whether the wanted and the kept plugins together would provide a `KIND:NAME` or
    /// `plugin:NAME`.
    pub(crate) fn holds(&self, running: &Generation, what: &str) -> bool {
        if let Some(plugin) = what.strip_prefix("plugin:") {
            let mut wanted = self.wanted.iter();
            return self.kept.contains(plugin) || wanted.any(|it| it.identity.name == plugin);
        }
        let kept = self.kept.iter().filter_map(|name| running.plugins.get(name));
        let kept = kept.map(|member| &member.running.description);
        let wanted = self.wanted.iter().map(|it| &it.offer.description);
        wanted.chain(kept).any(|it| it.keys().any(|key| key.to_string() == what))
    }

    /// A desired state of these plugins, with nothing refused.
    pub(crate) fn of(wanted: Vec<Wanted>) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// Refuses all contested plugins.
    pub(crate) fn refuse_contested(&mut self) {
        let contested = std::mem::take(&mut self.contested);
        self.refused.extend(contested.into_iter().filter_map(Contested::into_refused));
    }

    /// Keeps the running plugin with this name, unless a wanted plugin replaces it.
    fn keep(&mut self, name: &str, running: &BTreeMap<String, Incumbent>) {
        let taken = self.wanted.iter().any(|wanted| wanted.identity.name == name);
        if running.contains_key(name) && !taken {
            self.kept.insert(name.to_owned());
        }
    }

    fn refuse(
        &mut self,
        offer: &Offer,
        name: &str,
        refusal: Refusal,
        running: &BTreeMap<String, Incumbent>,
    ) {
        self.keep(name, running);
        self.refused.push(Rejection {
            source: offer.source.clone(),
            plugin: Some(name.to_owned()),
            digest: Some(offer.digest),
            refusal,
        });
    }
}

/// Where an artifact may be described if it is native code: the safest of the places that the
/// plugins which claim it allow.
pub(crate) fn description_isolation(config: &Config, source: &Source) -> Isolation {
    let file = source.file_name();
    if is_linked(source) || file.to_ascii_lowercase().ends_with(".wasm") {
        return Isolation::Refuse;
    }
    let claims = config.plugins.iter().filter(|(_, it)| it.artifact.as_ref() == Some(&file));
    let mut allowed: Vec<Isolation> =
        claims.map(|(name, _)| config.policy(name).isolation).collect();
    if allowed.is_empty() {
        allowed.push(config.defaults.isolation);
    }
    allowed.into_iter().filter(|it| *it != Isolation::Refuse).min().unwrap_or_default()
}

/// Whether all plugins that claim the artifact are disabled: then it is not described.
pub(crate) fn is_disabled(config: &Config, source: &Source) -> bool {
    let file = source.file_name();
    let mut claims = config.plugins.values().filter(|it| it.artifact.as_ref() == Some(&file));
    claims.next().is_some_and(|first| !first.enabled && claims.all(|it| !it.enabled))
}

fn is_linked(source: &Source) -> bool {
    matches!(source, Source::Linked(_))
}

/// The names under which an artifact runs.
pub(crate) fn names(config: &Config, offer: &Offer) -> Vec<String> {
    let file = offer.source.file_name();
    let claims = config.plugins.iter().filter(|(_, settings)| {
        settings.artifact.as_ref().is_some_and(|artifact| *artifact == file)
    });
    let claimed: Vec<String> = claims.map(|(name, _)| name.clone()).collect();
    if claimed.is_empty() { vec![offer.description.name.clone()] } else { claimed }
}

/// The plugin that an artifact becomes under a name; `None` if it is disabled, or the name claims
/// another artifact.
fn candidate(config: &Config, offer: &Offer, name: &str) -> Result<Option<Wanted>, Refusal> {
    let settings = config.plugins.get(name);
    if settings.is_some_and(|settings| !settings.enabled) {
        return Ok(None);
    }
    let file = offer.source.file_name();
    if let Some(artifact) = settings.and_then(|settings| settings.artifact.as_ref())
        && *artifact != file
    {
        if is_linked(&offer.source) {
            return Ok(None);
        }
        let message = format!(
            "[plugins.{}] takes plugin {name:?} from {artifact:?}, found it in {file:?} too",
            key_part(name)
        );
        return Err(Refusal::new(Reason::NameClash, message).hint("remove one of the two"));
    }
    let empty = Value::Object(serde_json::Map::new());
    let plugin_config = settings.map_or(empty, |settings| settings.config.clone());
    let description = described_as(&offer.description, name)?;
    check_config(name, &offer.source, &description, &plugin_config)?;
    let policy = policy_of(config, offer, name);
    let identity = PluginIdentity {
        name: name.to_owned(),
        digest: offer.digest,
        config: plugin_config,
        policy,
    };
    Ok(Some(Wanted { identity, offer: Offer { description, ..offer.clone() } }))
}

/// The identity of a running version under the current configuration: current limits and grants,
/// and the current config of its section, unless that does not satisfy this version's schema; then
/// it keeps the config that it has.
pub(crate) fn as_configured(
    config: &Config,
    identity: &PluginIdentity,
    offer: &Offer,
) -> PluginIdentity {
    let name = &identity.name;
    let mut as_configured = identity.clone();
    let policy = policy_of(config, offer, name);
    if offer.native && policy.isolation == Isolation::Refuse {
        // The version would not start; its file is refused elsewhere.
        return as_configured;
    }
    as_configured.policy = policy;
    let empty = Value::Object(serde_json::Map::new());
    let section = config.plugins.get(name).map_or(empty, |settings| settings.config.clone());
    let changed = section != as_configured.config;
    if changed && check_config(name, &offer.source, &offer.description, &section).is_ok() {
        as_configured.config = section;
    }
    as_configured
}

/// The limits and grants of a plugin.
fn policy_of(config: &Config, offer: &Offer, name: &str) -> Policy {
    let mut policy = config.policy(name).to_policy();
    let settings = config.plugins.get(name);
    policy.grants = settings.map(|settings| settings.grants.clone()).unwrap_or_default();
    if !offer.native {
        // Isolation is for native code: a change of it must not restart any other plugin.
        policy.isolation = Isolation::Refuse;
    }
    policy
}

/// The description of a plugin under another name than its own: a capability with the plugin's own
/// name gets the new name, the others get the new name, a dot and their own name; and it suggests
/// no routes. So one artifact can run as several plugins, side by side.
pub(crate) fn described_as(
    description: &Arc<Description>,
    name: &str,
) -> Result<Arc<Description>, Refusal> {
    if description.name == name {
        return Ok(Arc::clone(description));
    }
    let mut renamed = Description::clone(description);
    for capability in &mut renamed.capabilities {
        capability.name = if capability.name == description.name {
            name.to_owned()
        } else {
            format!("{name}.{}", capability.name)
        };
        capability.routes.clear();
    }
    name.clone_into(&mut renamed.name);
    renamed.check().map_err(|error| {
        Refusal::new(Reason::Description, format!("[plugins.{}] artifact: {error}", key_part(name)))
            .hint("give the plugin a shorter name")
    })?;
    Ok(Arc::new(renamed))
}

fn check_config(
    name: &str,
    source: &Source,
    description: &Description,
    config: &Value,
) -> Result<(), Refusal> {
    let name = key_part(name);
    let Some(schema) = &description.config_schema else {
        if config.as_object().is_none_or(serde_json::Map::is_empty) {
            return Ok(());
        }
        let message = format!("[plugins.{name}.config]: expected no keys, found some");
        return Err(Refusal::new(Reason::ConfigSchema, message)
            .hint("the plugin declares no configuration; remove the keys"));
    };
    check_plugin_config(schema, config).map_err(|violations| {
        let all: Vec<&str> = violations.iter().map(|it| &*it.message).collect();
        Refusal::new(Reason::ConfigSchema, format!("[plugins.{name}.config]: {}", all.join("; ")))
            .hint(schema_hint(source, schema))
    })
}

/// Where the schema is shown. A plugin that is refused does not run, so its name is not enough.
fn schema_hint(source: &Source, schema: &Value) -> String {
    match source {
        Source::File(path) => {
            let path = path.display().to_string();
            format!("`plugbay inspect {}` shows the schema", quoted_for_shell(&path))
        }
        Source::Linked(_) | Source::Memory(_) => {
            format!("the schema is {}", cut(schema.to_string(), MAX_SCHEMA))
        }
    }
}

/// A word of a command line, in quotes if a shell would change it.
fn quoted_for_shell(word: &str) -> Cow<'_, str> {
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+@%,:".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', "'\\''")))
}

/// Refuses each `[plugins.NAME] artifact = …` whose file is missing.
fn missing_artifacts(
    config: &Config,
    offers: &[Offer],
    failed: &BTreeSet<Source>,
    desired: &mut Desired,
) {
    for (name, settings) in &config.plugins {
        let Some(artifact) = settings.artifact.as_ref().filter(|_| settings.enabled) else {
            continue;
        };
        let there = |source: &Source| source.file_name() == *artifact;
        if offers.iter().any(|offer| there(&offer.source)) || failed.iter().any(there) {
            continue;
        }
        let message = format!(
            "[plugins.{}] artifact: expected a file {artifact:?} in the plugin folder, found none",
            key_part(name)
        );
        desired.refused.push(Rejection {
            source: Source::File(artifact.into()),
            plugin: Some(name.clone()),
            digest: None,
            refusal: Refusal::new(Reason::Unreadable, message)
                .hint("drop the file into the folder, or remove the section"),
        });
    }
}

impl Generation {
    /// The running plugins, against which new ones are checked for clashes. `places` says where
    /// each plugin was found last; its last good version may come from another file.
    pub(crate) fn incumbents(
        &self,
        places: &BTreeMap<String, Source>,
    ) -> BTreeMap<String, Incumbent> {
        let members = self.plugins.iter().map(|(name, member)| {
            let descriptions = member.all().map(|it| Arc::clone(&it.description)).collect();
            let canary = member.canary.as_ref().map(|canary| &canary.source);
            let sources = places.get(name).into_iter().chain(canary).chain([&member.source]);
            (name.to_owned(), Incumbent { sources: sources.cloned().collect(), descriptions })
        });
        members.collect()
    }
}

/// The rules of `[[migrations]]` that a set would break. `present` says whether the set holds a
/// `KIND:NAME` or `plugin:NAME`.
pub(crate) fn violated(
    config: &Config,
    present: impl Fn(&str) -> bool,
    source: Option<PathBuf>,
) -> Vec<Rejection> {
    let source = Source::File(source.unwrap_or_else(|| PathBuf::from("configuration")));
    let refused = |violation: Violation| Rejection {
        source: source.clone(),
        plugin: None,
        digest: None,
        refusal: Refusal::new(Reason::Migration, violation.to_string())
            .hint("nothing of this change was applied; the running generation stays"),
    };
    config.migrations.violations(present).into_iter().map(refused).collect()
}

#[cfg(test)]
mod tests;
