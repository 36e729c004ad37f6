//! Plans for each plugin whether it stays as it is, a version of it is started, or it is retired.
//! Pure.
//!
//! Either the wanted version is started, which replaces the serving one or is tried beside it; or
//! the serving version is restarted, with the current limits and grants: these apply to every
//! version that serves, including a last good version and both sides of a trial.
//! [`Reconciliation::start`](super::start::Reconciliation::start) carries out the plan, and plans
//! again for a plugin whose new version did not start.

use std::collections::BTreeMap;

use plugbay_core::Source;

use super::desired::{Desired, as_configured};
use super::trials::terms;
use crate::config::Config;
use crate::set::{Member, Offer, PluginIdentity, Terms, Wanted, gets_calls};

/// The transitions of all plugins.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// One for each plugin that is wanted or kept: first the wanted ones, in order of precedence.
    pub(crate) transitions: Vec<Transition>,
    /// Plugins to retire, because they are neither wanted nor kept.
    pub(crate) retire: Vec<String>,
}

/// The next step of one plugin that is to serve.
#[derive(Debug, Default)]
pub(crate) struct Transition {
    pub(crate) name: String,
    /// The change of its trial, before anything is started.
    pub(crate) trial: TrialChange,
    /// The current source of the newest version that stays.
    pub(crate) found_at: Option<Source>,
    /// The serving version under the current configuration, if it has to be restarted for it.
    pub(crate) restart: Option<Wanted>,
    /// The wanted version, if it is not running.
    pub(crate) target: Option<Wanted>,
    /// The terms of a trial of the target beside the serving version; `None` if the target replaces
    /// it.
    pub(crate) terms: Option<Terms>,
}

/// The change of a plugin's running trial.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum TrialChange {
    /// The trial goes on.
    #[default]
    Keep,
    /// The trial begins again, with these terms.
    Restart(Terms),
    /// The trial ends, and the stable version serves alone.
    End,
    /// The version on trial takes all calls.
    Promote,
}

/// A serving plugin, as far as the plan depends on it.
pub(crate) struct Serving<'a> {
    pub(crate) stable: Version<'a>,
    pub(crate) canary: Option<OnTrial<'a>>,
    /// Whether the stable version gets calls: only then a new one can be compared with it.
    pub(crate) gets_calls: bool,
}

/// A running version.
#[derive(Clone, Copy)]
pub(crate) struct Version<'a> {
    pub(crate) identity: &'a PluginIdentity,
    pub(crate) offer: &'a Offer,
    /// The current location of its bytes.
    pub(crate) source: &'a Source,
}

/// A version on trial.
pub(crate) struct OnTrial<'a> {
    pub(crate) version: Version<'a>,
    pub(crate) terms: &'a Terms,
    /// Whether the trial is decided; the next reconciliation carries out the decision.
    pub(crate) decided: bool,
}

impl<'a> Serving<'a> {
    pub(crate) fn of(member: &'a Member) -> Self {
        let running = &member.running;
        let stable =
            Version { identity: &running.identity, offer: &running.offer, source: &member.source };
        let canary = member.canary.as_ref().map(|canary| OnTrial {
            version: Version {
                identity: &canary.running.identity,
                offer: &canary.running.offer,
                source: &canary.source,
            },
            terms: canary.trial.terms(),
            decided: canary.trial.end().is_some(),
        });
        Self { stable, canary, gets_calls: gets_calls(running) }
    }

    /// The identity of the newest version: that on trial, if there is one.
    fn newest(&self) -> &'a PluginIdentity {
        self.canary.as_ref().map_or(self.stable.identity, |canary| canary.version.identity)
    }
}

impl Transition {
    /// Whether nothing is started.
    #[cfg(test)]
    fn is_unchanged(&self) -> bool {
        self.target.is_none() && self.restart.is_none()
    }
}

/// Makes plans by the configuration that is to be in force.
pub(crate) struct Planner<'a> {
    pub(crate) config: &'a Config,
    /// Whether an operator rolled back to the wanted plugins: then no version is tried.
    pub(crate) pinned: bool,
}

impl Planner<'_> {
    /// Plans the transitions of all plugins that run or should run.
    pub(crate) fn plan(&self, running: &BTreeMap<&str, Serving<'_>>, desired: Desired) -> Plan {
        let Desired { wanted, kept, .. } = desired;
        let stays =
            |name: &str| kept.contains(name) || wanted.iter().any(|it| it.identity.name == name);
        let retire = running.keys().filter(|name| !stays(name)).map(ToString::to_string).collect();
        let kept = kept.iter().filter_map(|name| Some(self.goes_on(running.get(&**name)?)));
        let kept: Vec<Transition> = kept.collect();
        let transitions = wanted.into_iter().map(|wanted| {
            let serving = running.get(&*wanted.identity.name);
            self.transition(serving, wanted)
        });
        Plan { transitions: transitions.chain(kept).collect(), retire }
    }

    /// The transition of a plugin of which this version is wanted.
    pub(crate) fn transition(&self, serving: Option<&Serving<'_>>, wanted: Wanted) -> Transition {
        match serving {
            None => Transition {
                name: wanted.identity.name.clone(),
                target: Some(wanted),
                ..Transition::default()
            },
            Some(serving) if self.pinned => rolls_back(serving, wanted),
            Some(serving) if *serving.newest() == wanted.identity => {
                let on = self.goes_on(serving);
                // If its trial ends, the version that was found does not stay.
                let found = (on.trial != TrialChange::End).then_some(wanted.offer.source);
                Transition { found_at: found, ..on }
            }
            Some(serving) => self.changes(serving, wanted),
        }
    }

    /// The transition of a plugin that is unchanged, or whose change was refused.
    pub(crate) fn goes_on(&self, serving: &Serving<'_>) -> Transition {
        let trial = self.trial_of(serving);
        let stays = match (&trial, &serving.canary) {
            (TrialChange::Promote, Some(canary)) => &canary.version,
            _ => &serving.stable,
        };
        Transition {
            name: serving.stable.identity.name.clone(),
            restart: self.restarted(stays),
            trial,
            ..Transition::default()
        }
    }

    /// The change of a trial under the current configuration.
    pub(crate) fn trial_of(&self, serving: &Serving<'_>) -> TrialChange {
        let Some(canary) = serving.canary.as_ref().filter(|canary| !canary.decided) else {
            return TrialChange::Keep;
        };
        if self.restarted(&canary.version).is_some() {
            // The canary would have to be restarted, and there is nothing to start it from.
            return TrialChange::End;
        }
        let (stable, new) = (serving.stable.offer, canary.version.offer);
        match terms(self.config, &stable.description, &new.description) {
            // Without a section with the strategy canary, a new version serves at once.
            None => TrialChange::Promote,
            Some(terms) if terms == *canary.terms => TrialChange::Keep,
            Some(terms) => TrialChange::Restart(terms),
        }
    }

    /// The transition of a plugin of which another version, or another configuration, is wanted.
    fn changes(&self, serving: &Serving<'_>, wanted: Wanted) -> Transition {
        if serving.stable.identity.digest == wanted.identity.digest {
            // The same code: a change of the plugin's section is not put on trial.
            return takes_over(&serving.stable, TrialChange::End, wanted);
        }
        let is_decided = |canary: &OnTrial<'_>| {
            canary.decided && canary.version.identity.digest == wanted.identity.digest
        };
        if serving.canary.as_ref().is_some_and(is_decided) {
            return self.goes_on(serving);
        }
        let terms =
            terms(self.config, &serving.stable.offer.description, &wanted.offer.description)
                .filter(|_| serving.gets_calls);
        let restart = terms.as_ref().and_then(|_| self.restarted(&serving.stable));
        Transition {
            name: wanted.identity.name.clone(),
            target: Some(wanted),
            restart,
            terms,
            ..Transition::default()
        }
    }

    /// The version to start instead, if the current configuration differs from the one that it runs
    /// with.
    fn restarted(&self, version: &Version<'_>) -> Option<Wanted> {
        let identity = as_configured(self.config, version.identity, version.offer);
        let offer = Offer { source: version.source.clone(), ..version.offer.clone() };
        (identity != *version.identity).then_some(Wanted { identity, offer })
    }
}

/// The transition of a plugin in a rollback: the version that served then takes all calls at once.
fn rolls_back(serving: &Serving<'_>, wanted: Wanted) -> Transition {
    match &serving.canary {
        Some(canary) if *canary.version.identity == wanted.identity => {
            takes_over(&canary.version, TrialChange::Promote, wanted)
        }
        _ => takes_over(&serving.stable, TrialChange::End, wanted),
    }
}

/// The transition of a plugin whose only version is to be the wanted one; `serving` is the version
/// that is left after the change of its trial.
fn takes_over(serving: &Version<'_>, trial: TrialChange, wanted: Wanted) -> Transition {
    let name = wanted.identity.name.clone();
    if *serving.identity == wanted.identity {
        let found_at = Some(wanted.offer.source);
        return Transition { name, trial, found_at, ..Transition::default() };
    }
    Transition { name, trial, target: Some(wanted), ..Transition::default() }
}

#[cfg(test)]
mod tests;
