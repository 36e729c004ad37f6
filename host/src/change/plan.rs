//! What becomes of each plugin: it stays as it is, something of it is started, or it leaves. Pure.
//!
//! What is started is the version that is wanted, which takes the place of the one that serves or
//! is tried beside it; or the one that serves, under what the configuration says now: limits and
//! grants reach whatever serves, be it a last good version or the other side of a trial.
//! [`Look::start`](super::start::Look::start) carries the plan out, and asks again for a plugin
//! whose new version did not start.

use std::collections::BTreeMap;

use plugbay_core::Source;

use super::desired::{Desired, as_configured};
use super::trials::terms;
use crate::config::Config;
use crate::set::{Member, Offer, PluginIdentity, Terms, Wanted, is_well};

/// What is to be done.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// One for each plugin that is wanted or kept: first those, in order of precedence.
    pub(crate) transitions: Vec<Transition>,
    /// Plugins that leave, because nothing asks for them.
    pub(crate) retire: Vec<String>,
}

/// What becomes of one plugin that is to serve.
#[derive(Debug, Default)]
pub(crate) struct Transition {
    pub(crate) name: String,
    /// What becomes of its trial, before anything is started.
    pub(crate) trial: TrialChange,
    /// Where the newest version that stays was found now.
    pub(crate) found_at: Option<Source>,
    /// The version that serves, under the configuration as it is now, if that differs.
    pub(crate) restart: Option<Wanted>,
    /// The version that is wanted, if it does not run.
    pub(crate) target: Option<Wanted>,
    /// How the target is tried beside the version that serves; else it takes its place.
    pub(crate) terms: Option<Terms>,
}

/// What becomes of the trial that a plugin has.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum TrialChange {
    /// It goes on.
    #[default]
    Keep,
    /// It begins again, with these terms.
    Restart(Terms),
    /// The version that served before goes on alone.
    End,
    /// The version on trial takes all calls.
    Promote,
}

/// A plugin that serves, as far as the plan depends on it.
pub(crate) struct Serving<'a> {
    pub(crate) stable: Version<'a>,
    pub(crate) canary: Option<OnTrial<'a>>,
    /// Whether the stable version gets calls: only then a new one can be compared with it.
    pub(crate) is_well: bool,
}

/// A version that runs.
#[derive(Clone, Copy)]
pub(crate) struct Version<'a> {
    pub(crate) identity: &'a PluginIdentity,
    pub(crate) offer: &'a Offer,
    /// Where its bytes are now.
    pub(crate) source: &'a Source,
}

/// A version on trial.
pub(crate) struct OnTrial<'a> {
    pub(crate) version: Version<'a>,
    pub(crate) terms: &'a Terms,
    /// Whether the trial is decided; the next look carries the decision out.
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
        Self { stable, canary, is_well: is_well(running) }
    }

    /// What the plugin is, or is about to be.
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

/// Decides by the configuration that is to be in force.
pub(crate) struct Planner<'a> {
    pub(crate) config: &'a Config,
    /// Whether an operator went back to what is wanted: then nothing is tried.
    pub(crate) pinned: bool,
}

impl Planner<'_> {
    /// What becomes of all plugins that run or should run.
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

    /// What becomes of a plugin of which this version is wanted.
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
                // The version that was found does not stay, if its trial ends.
                let found = (on.trial != TrialChange::End).then_some(wanted.offer.source);
                Transition { found_at: found, ..on }
            }
            Some(serving) => self.changes(serving, wanted),
        }
    }

    /// What becomes of a plugin of which nothing else is wanted, or whose change was refused.
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

    /// What becomes of a trial under the configuration as it is now.
    pub(crate) fn trial_of(&self, serving: &Serving<'_>) -> TrialChange {
        let Some(canary) = serving.canary.as_ref().filter(|canary| !canary.decided) else {
            return TrialChange::Keep;
        };
        if self.restarted(&canary.version).is_some() {
            // It is not what it should be, and there is nothing to start it from.
            return TrialChange::End;
        }
        let (stable, new) = (serving.stable.offer, canary.version.offer);
        match terms(self.config, &stable.description, &new.description) {
            // Without a section that tries it, a new version just serves.
            None => TrialChange::Promote,
            Some(terms) if terms == *canary.terms => TrialChange::Keep,
            Some(terms) => TrialChange::Restart(terms),
        }
    }

    /// What becomes of a plugin of which another version, or another configuration, is wanted.
    fn changes(&self, serving: &Serving<'_>, wanted: Wanted) -> Transition {
        if serving.stable.identity.digest == wanted.identity.digest {
            // The same code: a change of its section is not tried.
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
                .filter(|_| serving.is_well);
        let restart = terms.as_ref().and_then(|_| self.restarted(&serving.stable));
        Transition {
            name: wanted.identity.name.clone(),
            target: Some(wanted),
            restart,
            terms,
            ..Transition::default()
        }
    }

    /// A version as the configuration would have it, if it is not so already.
    fn restarted(&self, version: &Version<'_>) -> Option<Wanted> {
        let identity = as_configured(self.config, version.identity, version.offer);
        let offer = Offer { source: version.source.clone(), ..version.offer.clone() };
        (identity != *version.identity).then_some(Wanted { identity, offer })
    }
}

/// What becomes of a plugin that an operator went back with: all of what served then, at once.
fn rolls_back(serving: &Serving<'_>, wanted: Wanted) -> Transition {
    match &serving.canary {
        Some(canary) if *canary.version.identity == wanted.identity => {
            takes_over(&canary.version, TrialChange::Promote, wanted)
        }
        _ => takes_over(&serving.stable, TrialChange::End, wanted),
    }
}

/// What becomes of a plugin whose only version is to be the wanted one; `serving` is the one that
/// is left when its trial is over.
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
