use std::path::Path;
use std::sync::Arc;

use plugbay_core::{CapabilityDescription, Description, Digest, Isolation, Policy};
use plugbay_guard::{CanaryRules, Steps};
use proptest::prelude::*;

use super::*;

/// A running plugin in the model of the tests, as the plan sees it.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    stable: (u8, Policy),
    canary: Option<Trial>,
    gets_calls: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Trial {
    version: (u8, Policy),
    terms: Terms,
    decided: bool,
}

fn offer(name: &str, version: u8) -> Offer {
    let capability = CapabilityDescription {
        kind: "codec".into(),
        name: name.into(),
        description: String::new(),
        media_types: Vec::new(),
        routes: Vec::new(),
        nonblocking: false,
    };
    Offer {
        source: Source::File(format!("{name}.wasm").into()),
        digest: Digest::of(&[version]),
        size: 1,
        native: false,
        described_in: Isolation::Refuse,
        description: Arc::new(Description {
            name: name.into(),
            version: "1.0.0".parse().unwrap(),
            description: String::new(),
            capabilities: vec![capability],
            config_schema: None,
        }),
    }
}

fn identity(name: &str, version: &(u8, Policy)) -> PluginIdentity {
    PluginIdentity {
        name: name.into(),
        digest: Digest::of(&[version.0]),
        config: serde_json::json!({}),
        policy: version.1.clone(),
    }
}

fn wanted(config: &Config, name: &str, version: u8) -> Wanted {
    let offer = offer(name, version);
    let identity = as_configured(config, &identity(name, &(version, Policy::default())), &offer);
    Wanted { identity, offer }
}

fn config(tried: &str) -> Config {
    let text = format!(
        "[defaults]\nqueue = 7\n{tried}",
        tried = if tried.is_empty() {
            String::new()
        } else {
            format!("[capabilities.'codec:{tried}']\nstrategy = 'canary'\n")
        }
    );
    Config::parse(&text, Path::new("config.toml")).unwrap()
}

/// Either the terms of [`config`], or other terms.
fn some_terms() -> impl Strategy<Value = Terms> {
    let now = terms(&config("a"), &offer("a", 0).description, &offer("a", 1).description).unwrap();
    let before = Terms {
        steps: Steps { shares: vec![1], step_duration: std::time::Duration::from_secs(1) },
        rules: CanaryRules::default(),
    };
    prop_oneof![Just(now), Just(before)]
}

fn version() -> impl Strategy<Value = (u8, Policy)> {
    let now = wanted(&config(""), "a", 0).identity.policy;
    let before = Policy { instances: 99, ..now.clone() };
    (0_u8..4, prop_oneof![Just(now), Just(before)])
}

fn running() -> impl Strategy<Value = BTreeMap<String, Model>> {
    let trial = (version(), some_terms(), any::<bool>());
    let trial = trial.prop_map(|(version, terms, decided)| Trial { version, terms, decided });
    let model = (version(), proptest::option::of(trial), any::<bool>());
    let model = model.prop_map(|(stable, canary, gets_calls)| {
        // A trial compares two versions.
        let canary = canary.filter(|canary| canary.version.0 != stable.0);
        Model { stable, canary, gets_calls }
    });
    proptest::collection::btree_map("[a-c]", model, 0..4)
}

/// The wanted versions, and whether other running plugins are kept.
fn asked() -> impl Strategy<Value = (BTreeMap<String, u8>, bool)> {
    (proptest::collection::btree_map("[a-c]", 0_u8..4, 0..4), any::<bool>())
}

fn desired(
    config: &Config,
    running: &BTreeMap<String, Model>,
    (versions, keeps): &(BTreeMap<String, u8>, bool),
) -> Desired {
    let wanted = versions.iter().map(|(name, version)| wanted(config, name, *version));
    let kept = running.keys().filter(|name| *keeps && !versions.contains_key(*name));
    Desired { wanted: wanted.collect(), kept: kept.cloned().collect(), ..Desired::default() }
}

fn plan(config: &Config, pinned: bool, running: &BTreeMap<String, Model>, it: Desired) -> Plan {
    let parts: BTreeMap<&str, _> = running
        .iter()
        .map(|(name, model)| {
            let stable = (identity(name, &model.stable), offer(name, model.stable.0));
            let canary = model.canary.as_ref().map(|canary| {
                (identity(name, &canary.version), offer(name, canary.version.0), canary)
            });
            (&**name, (stable, canary, model.gets_calls))
        })
        .collect();
    let serving = parts.iter().map(|(name, ((identity, offer), canary, gets_calls))| {
        let stable = Version { identity, offer, source: &offer.source };
        let canary = canary.as_ref().map(|(identity, offer, trial)| OnTrial {
            version: Version { identity, offer, source: &offer.source },
            terms: &trial.terms,
            decided: trial.decided,
        });
        (*name, Serving { stable, canary, gets_calls: *gets_calls })
    });
    Planner { config, pinned }.plan(&serving.collect(), it)
}

/// Carries a plan out, as if everything started.
fn carry_out(running: &BTreeMap<String, Model>, plan: &Plan) -> BTreeMap<String, Model> {
    let mut after = running.clone();
    for name in &plan.retire {
        assert!(after.remove(name).is_some(), "{name} runs");
    }
    let version = |wanted: &Wanted| {
        let found = (0..4).find(|it| Digest::of(&[*it]) == wanted.identity.digest);
        (found.unwrap(), wanted.identity.policy.clone())
    };
    for it in &plan.transitions {
        let mut model = after.remove(&it.name);
        if let Some(model) = &mut model {
            match (&it.trial, model.canary.take()) {
                (TrialChange::Keep, canary) => model.canary = canary,
                (TrialChange::Promote, Some(canary)) => model.stable = canary.version,
                (TrialChange::Restart(terms), Some(canary)) => {
                    model.canary = Some(Trial { terms: terms.clone(), decided: false, ..canary });
                }
                (TrialChange::End, _) | (_, None) => {}
            }
            if let Some(restart) = &it.restart {
                model.stable = version(restart);
            }
        }
        let model = match (&it.target, &it.terms, model) {
            (None, None, Some(model)) => model,
            (Some(target), Some(terms), Some(model)) => {
                let (version, terms) = (version(target), terms.clone());
                Model { canary: Some(Trial { version, terms, decided: false }), ..model }
            }
            (Some(target), None, _) => {
                Model { stable: version(target), canary: None, gets_calls: true }
            }
            other => panic!("{} has no result: {other:?}", it.name),
        };
        after.insert(it.name.clone(), model);
    }
    after
}

fn newest(name: &str, model: &Model) -> PluginIdentity {
    identity(name, model.canary.as_ref().map_or(&model.stable, |canary| &canary.version))
}

proptest! {
    /// Every plugin has one transition or is retired, and none is in both lists.
    #[test]
    fn each_plugin_has_one_transition_or_is_retired(
        running in running(), asked in asked(), tried in "[a-c]?", pinned in any::<bool>(),
    ) {
        let config = config(&tried);
        let desired = desired(&config, &running, &asked);
        let plan = plan(&config, pinned, &running, desired);
        let mut names: Vec<&String> =
            plan.transitions.iter().map(|it| &it.name).chain(&plan.retire).collect();
        let mut all: Vec<&String> = running.keys().chain(asked.0.keys()).collect();
        names.sort();
        all.sort();
        all.dedup();
        prop_assert_eq!(names, all);
    }

    /// A wanted version serves or is on trial, with its current configuration. A kept plugin has
    /// the versions that it had.
    #[test]
    fn the_plan_leads_from_running_to_desired(
        running in running(), asked in asked(), tried in "[a-c]?", pinned in any::<bool>(),
    ) {
        let config = config(&tried);
        let plan = plan(&config, pinned, &running, desired(&config, &running, &asked));
        let after = carry_out(&running, &plan);
        for (name, model) in &after {
            let before = running.get(name);
            let decided = before.and_then(|it| it.canary.as_ref()).filter(|it| it.decided);
            let Some(version) = asked.0.get(name) else {
                let stays = [Some(before.unwrap().stable.0), before.unwrap().canary.as_ref().map(|it| it.version.0)];
                prop_assert!(stays.contains(&Some(model.stable.0)), "{name}: {model:?}");
                continue;
            };
            let wanted = wanted(&config, name, *version).identity;
            // The result of a decided trial is applied by the next reconciliation.
            let waits = decided.is_some_and(|it| it.version.0 == *version) && !pinned;
            if !waits {
                prop_assert_eq!(&newest(name, model), &wanted);
            }
            if model.canary.is_some() && !waits {
                prop_assert!(!pinned && tried == *name);
            }
            if decided.is_none() {
                let policy = &wanted.policy;
                prop_assert!(pinned || model.stable.1 == *policy, "{name}: {model:?}");
            }
        }
    }

    /// A second plan for the same desired plugins has nothing to do.
    #[test]
    fn a_second_plan_changes_nothing(
        running in running(), asked in asked(), tried in "[a-c]?", pinned in any::<bool>(),
    ) {
        let config = config(&tried);
        let mut running = running;
        for model in running.values_mut() {
            if let Some(canary) = &mut model.canary {
                canary.decided = false;
            }
        }
        let first = plan(&config, pinned, &running, desired(&config, &running, &asked));
        let after = carry_out(&running, &first);
        let again = plan(&config, pinned, &after, desired(&config, &after, &asked));
        prop_assert!(again.retire.is_empty());
        for it in &again.transitions {
            let settled = pinned || it.is_unchanged() && it.trial == TrialChange::Keep;
            prop_assert!(settled, "{it:?}");
        }
        prop_assert_eq!(carry_out(&after, &again), after);
    }
}

#[test]
fn a_change_of_code_config_or_policy_changes_the_identity() {
    let config = config("");
    let runs = |policy: Policy| Model { stable: (1, policy), canary: None, gets_calls: true };
    let now = wanted(&config, "a", 1);
    let running = BTreeMap::from([("a".into(), runs(now.identity.policy.clone()))]);
    let of = |wanted: Wanted| {
        let plan = plan(&config, false, &running, Desired::of(vec![wanted]));
        let [it] = &plan.transitions[..] else { panic!("{plan:?}") };
        it.is_unchanged()
    };
    assert!(of(now.clone()));
    assert!(!of(wanted(&config, "a", 2)));
    let other = serde_json::json!({ "level": 3 });
    let changed = PluginIdentity { config: other, ..now.identity.clone() };
    assert!(!of(Wanted { identity: changed, offer: now.offer.clone() }));
    let policy = Policy { instances: 99, ..now.identity.policy.clone() };
    let changed = PluginIdentity { policy, ..now.identity.clone() };
    assert!(!of(Wanted { identity: changed, offer: now.offer }));
}
