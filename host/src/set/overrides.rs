//! What operators switched by hand, over the configuration: the *overrides*.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use plugbay_core::CapabilityKey;
use serde::{Deserialize, Serialize};

use crate::config::{CapabilitySettings, Config, Strategy};
use crate::report::timestamp;

/// A switch that an operator set over the configuration. It holds until the opposite action, or until
/// the configuration says the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct Override {
    /// The name of a plugin; for weights a capability, as `KIND:NAME`.
    pub on: String,
    /// What is switched.
    #[serde(flatten)]
    pub switch: Switch,
    /// Who set it.
    pub by: String,
    /// Since when it holds.
    #[serde(with = "timestamp")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub since: SystemTime,
}

/// What an operator can switch over the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "switch", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Switch {
    /// The plugin does not run, although the configuration says that it does.
    Disabled,
    /// The plugin runs, although the configuration says that it does not.
    Enabled,
    /// The plugin runs, and its breaker refuses all calls.
    BreakerOpen,
    /// The plugin runs and gets no new calls.
    Draining,
    /// Its providers share the calls of a capability by other weights.
    Weights {
        /// The weights by plugin. Plugins that are not named keep the configured weight.
        weights: BTreeMap<String, u32>,
    },
}

impl Switch {
    /// The stable word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::BreakerOpen => "breaker-open",
            Self::Draining => "draining",
            Self::Weights { .. } => "weights",
        }
    }

    /// Whether both are positions of the same switch.
    fn is_same_switch(&self, other: &Self) -> bool {
        let runs = |it: &Self| matches!(it, Self::Disabled | Self::Enabled);
        self.as_str() == other.as_str() || (runs(self) && runs(other))
    }

    /// Whether it is a part of a generation. Other switches hold calls back, whatever serves.
    fn is_of_generation(&self) -> bool {
        !matches!(self, Self::BreakerOpen | Self::Draining)
    }
}

/// Weights as a command line takes them: `a=90 b=10`.
pub(crate) fn weights_text(weights: &BTreeMap<String, u32>) -> String {
    let each = weights.iter().map(|(plugin, weight)| format!("{plugin}={weight}"));
    each.collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { on, switch, by, since } = self;
        match switch {
            Switch::Disabled => write!(f, "{on} is disabled")?,
            Switch::Enabled => write!(f, "{on} is enabled")?,
            Switch::BreakerOpen => write!(f, "the breaker of {on} is held open")?,
            Switch::Draining => write!(f, "{on} is drained")?,
            Switch::Weights { weights } => {
                write!(f, "{on} has the weights {}", weights_text(weights))?;
            }
        }
        write!(f, " by {by} since {}", timestamp::text(*since))
    }
}

/// All overrides, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Overrides(Vec<Override>);

impl Overrides {
    pub(crate) fn list(&self) -> &[Override] {
        &self.0
    }

    /// Sets a switch in place of any other position of it.
    pub(crate) fn set(&mut self, next: Override) {
        self.0.retain(|it| it.on != next.on || !it.switch.is_same_switch(&next.switch));
        self.0.push(next);
        self.0.sort_by(|a, b| (&a.on, a.switch.as_str()).cmp(&(&b.on, b.switch.as_str())));
    }

    /// Drops a switch, whatever its position. Returns whether it was set.
    pub(crate) fn drop(&mut self, on: &str, switch: &Switch) -> bool {
        let before = self.0.len();
        self.0.retain(|it| it.on != on || !it.switch.is_same_switch(switch));
        self.0.len() < before
    }

    pub(crate) fn has(&self, on: &str, switch: &Switch) -> bool {
        self.0.iter().any(|it| it.on == on && it.switch == *switch)
    }

    /// The weights that are set for a capability.
    pub(crate) fn weights(&self, on: &str) -> Option<&BTreeMap<String, u32>> {
        self.0.iter().filter(|it| it.on == on).find_map(|it| match &it.switch {
            Switch::Weights { weights } => Some(weights),
            _ => None,
        })
    }

    /// Why the calls of a plugin are held back, if they are.
    pub(crate) fn hold(&self, plugin: &str) -> Hold {
        if self.has(plugin, &Switch::BreakerOpen) {
            Hold::BreakerOpen
        } else if self.has(plugin, &Switch::Draining) {
            Hold::Draining
        } else {
            Hold::None
        }
    }

    /// The configuration with these overrides applied.
    pub(crate) fn apply(&self, base: &Arc<Config>) -> Arc<Config> {
        let mut config = Arc::clone(base);
        for it in self.0.iter().filter(|it| it.switch.is_of_generation()) {
            match &it.switch {
                Switch::Disabled => set_enabled(&mut config, &it.on, false),
                Switch::Enabled => set_enabled(&mut config, &it.on, true),
                Switch::Weights { weights } => {
                    let Some(key) = key_of(&it.on) else { continue };
                    let Ok(strategy) = weighted(&config, &key, weights) else { continue };
                    let all = &mut Arc::make_mut(&mut config).capabilities;
                    all.insert(key, CapabilitySettings { strategy });
                }
                Switch::BreakerOpen | Switch::Draining => {}
            }
        }
        config
    }

    /// Drops the overrides that the configuration agrees with, and returns them.
    pub(crate) fn adopted(&mut self, base: &Config) -> Vec<Override> {
        let says = |it: &mut Override| match &it.switch {
            Switch::Disabled => !is_enabled(base, &it.on),
            Switch::Enabled => is_enabled(base, &it.on),
            Switch::Weights { weights } => key_of(&it.on).is_some_and(|key| {
                let strategy = base.capabilities.get(&key).map(|it| &it.strategy);
                weighted(base, &key, weights).ok().as_ref() == strategy
            }),
            Switch::BreakerOpen | Switch::Draining => false,
        };
        self.0.extract_if(.., says).collect()
    }

    /// Weights that do not fit the configuration: they have no effect.
    pub(crate) fn without_effect(
        &self,
        base: &Config,
    ) -> impl Iterator<Item = (&Override, String)> {
        self.0.iter().filter_map(|it| match &it.switch {
            Switch::Weights { weights } => {
                let why = match key_of(&it.on) {
                    Some(key) => weighted(base, &key, weights).err()?,
                    None => "expected KIND:NAME".to_owned(),
                };
                Some((it, why))
            }
            _ => None,
        })
    }

    /// These overrides, with the switches of `now` that are not part of a generation.
    pub(crate) fn in_generation(&self, now: &Self) -> Self {
        let mine = self.0.iter().filter(|it| it.switch.is_of_generation()).cloned();
        let mut all = Self(mine.collect());
        let held = now.0.iter().filter(|it| !it.switch.is_of_generation());
        held.for_each(|it| all.set(it.clone()));
        all
    }
}

/// Why an operator holds the calls of a plugin back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Hold {
    #[default]
    None = 0,
    BreakerOpen = 1,
    Draining = 2,
}

impl Hold {
    pub(crate) fn from_u8(number: u8) -> Self {
        [Self::BreakerOpen, Self::Draining]
            .into_iter()
            .find(|it| *it as u8 == number)
            .unwrap_or_default()
    }
}

/// Whether a configuration lets the plugin run.
pub(crate) fn is_enabled(config: &Config, plugin: &str) -> bool {
    config.plugins.get(plugin).is_none_or(|settings| settings.enabled)
}

fn set_enabled(config: &mut Arc<Config>, plugin: &str, enabled: bool) {
    if is_enabled(config, plugin) != enabled {
        let plugins = &mut Arc::make_mut(config).plugins;
        plugins.entry(plugin.to_owned()).or_default().enabled = enabled;
    }
}

/// The capability of a `KIND:NAME`.
pub(crate) fn key_of(text: &str) -> Option<CapabilityKey> {
    let (kind, name) = text.split_once(':')?;
    Some(CapabilityKey::new(kind, name))
}

/// The largest weight, as in the configuration.
const MAX_WEIGHT: u32 = 10_000;

/// The strategy of a capability with other weights.
///
/// # Errors
/// What was expected and found, if the capability is not shared by weights, or by other plugins.
pub(crate) fn weighted(
    config: &Config,
    key: &CapabilityKey,
    weights: &BTreeMap<String, u32>,
) -> Result<Strategy, String> {
    let strategy = config.capabilities.get(key).map(|settings| &settings.strategy);
    let Some(Strategy::Split { providers, weights: configured, key: sticky }) = strategy else {
        let found = match strategy {
            Some(Strategy::Failover { .. }) => "the strategy \"failover\"",
            Some(Strategy::Canary { .. }) => "the strategy \"canary\"",
            _ => "no section of it",
        };
        return Err(format!(
            "expected [capabilities.\"{key}\"] with strategy = \"split\", found {found}"
        ));
    };
    if let Some(other) = weights.keys().find(|name| !providers.contains(name)) {
        let known = providers.join(", ");
        return Err(format!("expected providers of {key} ({known}), found {other:?}"));
    }
    if let Some((name, weight)) = weights.iter().find(|(_, weight)| **weight > MAX_WEIGHT) {
        return Err(format!("expected weights from 0 to {MAX_WEIGHT}, found {weight} for {name}"));
    }
    let each = providers.iter().zip(configured);
    let next: Vec<u32> =
        each.map(|(name, weight)| weights.get(name).copied().unwrap_or(*weight)).collect();
    if next.iter().all(|weight| *weight == 0) {
        return Err("expected a weight above 0, found none".to_owned());
    }
    Ok(Strategy::Split { providers: providers.clone(), weights: next, key: sticky.clone() })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::UNIX_EPOCH;

    use super::*;

    fn over(on: &str, switch: Switch) -> Override {
        Override { on: on.into(), switch, by: "ops".into(), since: UNIX_EPOCH }
    }

    fn config(text: &str) -> Arc<Config> {
        Arc::new(Config::parse(text, Path::new("config.toml")).unwrap())
    }

    const SPLIT: &str = "[capabilities.\"codec:x\"]\nstrategy = \"split\"\n\
                         providers = [\"a\", \"b\"]\nweights = [90, 10]\n";

    #[test]
    fn a_switch_has_one_position_and_goes_when_the_configuration_says_the_same() {
        let mut all = Overrides::default();
        all.set(over("a", Switch::Disabled));
        all.set(over("a", Switch::Enabled));
        all.set(over("a", Switch::Draining));
        assert_eq!(all.list().len(), 2);
        let disabled = config("[plugins.a]\nenabled = false\n");
        assert!(all.apply(&disabled).plugins["a"].enabled);
        assert_eq!(all.hold("a"), Hold::Draining);
        assert!(all.adopted(&disabled).is_empty());
        let adopted = all.adopted(&config(""));
        assert_eq!(adopted.iter().map(|it| it.switch.as_str()).collect::<Vec<_>>(), ["enabled"]);
        assert_eq!(all.list().len(), 1, "a drain has no place in the configuration");
    }

    #[test]
    fn weights_apply_to_a_split_of_these_plugins_only() {
        let weights = |pairs: &[(&str, u32)]| Switch::Weights {
            weights: pairs.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect(),
        };
        let mut all = Overrides::default();
        all.set(over("codec:x", weights(&[("b", 90)])));
        let base = config(SPLIT);
        let Strategy::Split { weights: next, .. } =
            &all.apply(&base).capabilities[&CapabilityKey::new("codec", "x")].strategy
        else {
            panic!("a split")
        };
        assert_eq!(next, &[90, 90]);
        assert_eq!(all.without_effect(&base).count(), 0);
        let failover =
            config(&SPLIT.replace("split", "failover").replace("weights = [90, 10]", ""));
        assert_eq!(all.apply(&failover), failover);
        let (_, why) = all.without_effect(&failover).next().unwrap();
        assert!(why.contains("found the strategy \"failover\""), "{why}");
        let key = CapabilityKey::new("codec", "x");
        for (wrong, why) in [
            (vec![("c", 1)], "found \"c\""),
            (vec![("a", 10_001)], "found 10001 for a"),
            (vec![("a", 0), ("b", 0)], "found none"),
        ] {
            let wrong = wrong.into_iter().map(|(name, weight)| (name.to_owned(), weight));
            let error = weighted(&base, &key, &wrong.collect()).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn overrides_are_read_back_and_say_who_and_since_when() {
        let mut all = Overrides::default();
        all.set(over("a", Switch::Disabled));
        all.set(over("codec:x", Switch::Weights { weights: [("a".to_owned(), 1)].into() }));
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Overrides>(&text).unwrap(), all);
        assert!(text.contains(r#""switch":"disabled""#), "{text}");
        let shown: Vec<_> = all.list().iter().map(ToString::to_string).collect();
        assert_eq!(shown[0], "a is disabled by ops since 1970-01-01T00:00:00.000Z");
        assert!(shown[1].starts_with("codec:x has the weights a=1 by ops"), "{}", shown[1]);
    }
}
