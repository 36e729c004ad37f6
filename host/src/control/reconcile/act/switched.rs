//! The overrides before and after an action, and where they are kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use crate::config::Config;
use crate::control::action::ActionRequest;
use crate::control::reconcile::Reconciler;
use crate::report::{Action, Outcome};
use crate::set::{
    Override, Overrides, PastGeneration, Switch, Wanted, is_enabled, key_of, weighted,
};

impl Reconciler {
    /// The overrides after the action.
    pub(super) fn switched(&self, request: &ActionRequest, now: &Overrides) -> Overrides {
        let base = match &self.pinned {
            Some(past) => &past.base,
            None => &self.config,
        };
        let ActionRequest { action, on, by, weights, .. } = request;
        let mut next = now.clone();
        let over =
            |switch| Override { on: on.clone(), switch, by: by.clone(), since: SystemTime::now() };
        let kept = |switch: &Switch| now.has(on, switch);
        match action {
            Action::Disable if kept(&Switch::Disabled) => {}
            Action::Enable | Action::Disable => {
                next.drop(on, &Switch::Disabled);
                let enable = *action == Action::Enable;
                if enable {
                    next.drop(on, &Switch::Draining);
                }
                if is_enabled(base, on) != enable {
                    next.set(over(if enable { Switch::Enabled } else { Switch::Disabled }));
                }
            }
            Action::Drain if !kept(&Switch::Draining) => next.set(over(Switch::Draining)),
            Action::BreakerOpen if !kept(&Switch::BreakerOpen) => {
                next.set(over(Switch::BreakerOpen));
            }
            Action::BreakerReset => drop(next.drop(on, &Switch::BreakerOpen)),
            Action::Weights => {
                let none = Switch::Weights { weights: BTreeMap::new() };
                let mut all = now.weights(on).cloned().unwrap_or_default();
                all.extend(weights.clone());
                next.drop(on, &none);
                let key = key_of(on);
                let configured = key.as_ref().and_then(|key| base.capabilities.get(key));
                let strategy = key.as_ref().and_then(|key| weighted(base, key, &all).ok());
                if !weights.is_empty() && strategy.as_ref() != configured.map(|it| &it.strategy) {
                    next.set(over(Switch::Weights { weights: all }));
                }
            }
            _ => {}
        }
        next
    }

    /// Puts the overrides after an action in the place of those before.
    pub(super) fn replace(&mut self, request: &ActionRequest, next: Overrides) {
        if let Some(past) = &self.pinned {
            let overrides = Arc::new(self.switched(request, &past.overrides));
            self.pinned =
                Some(Arc::new(PastGeneration { overrides, ..PastGeneration::clone(past) }));
        }
        self.overrides = Arc::new(next);
    }

    /// The overrides that are in force: during a rollback those of that generation, with what was switched
    /// since.
    pub(in crate::control::reconcile) fn in_force(&self) -> Arc<Overrides> {
        match &self.pinned {
            Some(past) => Arc::clone(&past.overrides),
            None => Arc::clone(&self.overrides),
        }
    }

    /// Keeps the overrides over a restart of the host. Returns why not.
    pub(in crate::control::reconcile) fn save(&self) -> Vec<String> {
        let error = self.overrides_file.write(&self.overrides).err();
        if let Some(message) = &error {
            self.shared.journal.note_now(Outcome::OverridesFile { message: message.clone() });
        }
        error.into_iter().collect()
    }

    /// Drops the overrides that the configuration agrees with.
    pub(in crate::control::reconcile) fn adopt_overrides(&mut self, base: &Config) {
        if self.overrides.list().is_empty() {
            return;
        }
        let mut next = Overrides::clone(&self.overrides);
        let adopted = next.adopted(base);
        if adopted.is_empty() {
            return;
        }
        self.overrides = Arc::new(next);
        for it in adopted {
            let switch = it.switch.as_str().to_owned();
            self.shared.journal.note_now(Outcome::OverrideDropped { on: it.on, switch });
        }
        self.save();
    }
}

/// The plugins and the configuration of a generation that an operator rolled back to, with what was
/// switched since.
pub(in crate::control::reconcile) fn pinned_set(
    past: &PastGeneration,
    overrides: &Overrides,
) -> (Vec<Wanted>, Arc<Config>) {
    let wanted = past.wanted.iter();
    let wanted = wanted.filter(|it| !overrides.has(&it.identity.name, &Switch::Disabled));
    (wanted.cloned().collect(), overrides.apply(&past.base))
}
