//! Desired against running: what stays, what starts, what goes. Pure.

use std::collections::BTreeMap;

use crate::set::Identity;

/// What to do. Names are in order, and none stands in two lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Shared with the next generation as they are.
    pub(crate) unchanged: Vec<String>,
    /// Started before the next generation is published.
    pub(crate) start: Vec<String>,
    /// Drained once the next generation serves: replaced ones too.
    pub(crate) retire: Vec<String>,
}

/// Compares by name. A name that is desired with another identity is started and, under
/// its old identity, retired.
pub(crate) fn plan(
    running: &BTreeMap<&str, &Identity>,
    desired: &BTreeMap<&str, &Identity>,
) -> Plan {
    let mut plan = Plan::default();
    for (&name, identity) in desired {
        let same = running.get(name).is_some_and(|running| running == identity);
        if same { &mut plan.unchanged } else { &mut plan.start }.push(name.to_owned());
    }
    for &name in running.keys() {
        if !plan.unchanged.iter().any(|unchanged| unchanged == name) {
            plan.retire.push(name.to_owned());
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use plugbay_core::{Digest, Policy};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn identity(name: &str, version: u8) -> Identity {
        Identity {
            name: name.to_owned(),
            digest: Digest::of(&[version]),
            config: Value::Null,
            policy: Policy::default(),
        }
    }

    fn set() -> impl Strategy<Value = BTreeMap<String, Identity>> {
        prop::collection::btree_map("[a-d]", 0_u8..3, 0..4).prop_map(|versions| {
            versions.into_iter().map(|(name, v)| (name.clone(), identity(&name, v))).collect()
        })
    }

    fn refer(set: &BTreeMap<String, Identity>) -> BTreeMap<&str, &Identity> {
        set.iter().map(|(name, identity)| (&**name, identity)).collect()
    }

    proptest! {
        #[test]
        fn running_becomes_desired(running in set(), desired in set()) {
            let plan = plan(&refer(&running), &refer(&desired));
            let mut after = running.clone();
            for name in &plan.retire {
                prop_assert!(after.remove(name).is_some());
            }
            prop_assert_eq!(after.keys().collect::<Vec<_>>(), plan.unchanged.iter().collect::<Vec<_>>());
            for name in &plan.start {
                prop_assert!(after.insert(name.clone(), desired[name].clone()).is_none());
            }
            prop_assert_eq!(after, desired);
        }

        #[test]
        fn nothing_is_done_twice(set in set()) {
            let plan = plan(&refer(&set), &refer(&set));
            prop_assert!(plan.start.is_empty() && plan.retire.is_empty());
        }
    }

    #[test]
    fn config_policy_and_bytes_are_identity() {
        let old = identity("a", 0);
        let changed = [
            Identity { config: Value::Bool(true), ..old.clone() },
            Identity { policy: Policy { instances: 99, ..Policy::default() }, ..old.clone() },
            identity("a", 1),
        ];
        for new in &changed {
            let plan = plan(&[("a", &old)].into(), &[("a", new)].into());
            assert_eq!((plan.start, plan.retire), (vec!["a".into()], vec!["a".into()]));
        }
    }
}
