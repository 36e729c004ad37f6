//! The registry is compared with a model: a `BTreeMap`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use plugbay_registry::{Leased, RegisterErrorKind as Kind, Registry};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// Few names, so that they collide; one of them empty.
const NAMES: &[&str] = &["", "a", "b", "bb", "json", "jsn"];

#[derive(Debug, Clone)]
enum Act {
    Register(&'static str, u32),
    Replace(&'static str, u32),
    Unregister(&'static str),
    Lazily(&'static str, u32),
    Publish(BTreeMap<&'static str, u32>),
    /// Publishes the current entries except one: the others must stay the same.
    Keep {
        but: &'static str,
    },
    Update(&'static str, u32),
    Freeze,
}

fn act() -> impl Strategy<Value = Act> {
    let name = || prop::sample::select(NAMES);
    prop_oneof![
        6 => (name(), any::<u32>()).prop_map(|(name, value)| Act::Register(name, value)),
        4 => (name(), any::<u32>()).prop_map(|(name, value)| Act::Replace(name, value)),
        4 => name().prop_map(Act::Unregister),
        4 => (name(), any::<u32>()).prop_map(|(name, value)| Act::Lazily(name, value)),
        2 => btree_map(name(), any::<u32>(), 0..4).prop_map(Act::Publish),
        2 => name().prop_map(|but| Act::Keep { but }),
        2 => (name(), any::<u32>()).prop_map(|(name, value)| Act::Update(name, value)),
        1 => Just(Act::Freeze),
    ]
}

#[derive(Default)]
struct Model {
    entries: BTreeMap<&'static str, u32>,
    number: u64,
    frozen: bool,
}

impl Model {
    /// The expected refusal, or the change made to `entries`.
    fn apply(&mut self, act: &Act) -> Result<(), Kind> {
        if let Act::Freeze = act {
            self.frozen = true;
            return Ok(());
        }
        if let Act::Lazily(name, _) = act
            && self.entries.contains_key(name)
        {
            return Ok(());
        }
        if self.frozen {
            return Err(Kind::Frozen);
        }
        let mut next = self.entries.clone();
        match act {
            Act::Register(name, _) if next.contains_key(name) => return Err(Kind::Duplicate),
            Act::Register("", _) | Act::Replace("", _) | Act::Lazily("", _) => {
                return Err(Kind::EmptyName);
            }
            Act::Replace(name, _) | Act::Unregister(name) if !next.contains_key(name) => {
                return Err(Kind::Missing);
            }
            Act::Register(name, value)
            | Act::Replace(name, value)
            | Act::Lazily(name, value)
            | Act::Update(name, value) => drop(next.insert(*name, *value)),
            Act::Unregister(name) | Act::Keep { but: name } => drop(next.remove(name)),
            Act::Publish(entries) => next.clone_from(entries),
            Act::Freeze => unreachable!("done above"),
        }
        if next.contains_key("") {
            return Err(Kind::EmptyName);
        }
        self.entries = next;
        self.number += 1;
        Ok(())
    }
}

fn apply(registry: &Registry<u32>, act: &Act) -> Result<(), Kind> {
    let refused = |attempt| match attempt {
        plugbay_registry::ChangeError::Refused(refused) => {
            let refused: plugbay_registry::RegisterError = refused;
            refused.kind
        }
        plugbay_registry::ChangeError::Failed::<Infallible>(never) => match never {},
    };
    match act {
        Act::Register(name, value) => registry.register(*name, *value).map_err(|e| e.kind),
        Act::Replace(name, value) => registry.replace(name, *value).map(drop).map_err(|e| e.kind),
        Act::Unregister(name) => registry.unregister(name).map(drop).map_err(|e| e.kind),
        Act::Lazily(name, value) => {
            registry.get_or_register(*name, || Ok(*value)).map(drop).map_err(refused)
        }
        Act::Publish(entries) => registry.publish(entries.clone()).map(drop).map_err(|e| e.kind),
        Act::Keep { but } => {
            let now = registry.snapshot();
            let kept = now.table.iter().filter(|(name, _)| name != but);
            let kept = kept.map(|(name, entry)| (name, Arc::clone(entry)));
            registry.publish(kept).map(drop).map_err(|e| e.kind)
        }
        Act::Update(name, value) => registry
            .update(|now| Ok(now.table.with(*name, Arc::new(Leased::new(*value)))))
            .map(drop)
            .map_err(refused),
        Act::Freeze => {
            registry.freeze();
            Ok(())
        }
    }
}

proptest! {
    #[test]
    fn the_registry_behaves_like_a_map(acts in vec(act(), 0..40)) {
        let registry = Registry::new("codec");
        let mut changes = registry.subscribe();
        let mut model = Model::default();
        for act in &acts {
            let before = registry.snapshot();
            prop_assert_eq!(apply(&registry, act), model.apply(act), "{:?}", act);

            let now = registry.snapshot();
            let entries: BTreeMap<_, _> =
                now.table.iter().map(|(name, entry)| (name, ***entry)).collect();
            prop_assert_eq!(&entries, &model.entries);
            prop_assert_eq!((now.number, now.is_frozen()), (model.number, model.frozen));
            for name in NAMES {
                let found = registry.lookup(name).map(|lease| *lease);
                prop_assert_eq!(found, model.entries.get(name).copied());
            }
            // Entries that left are closed; entries that stayed are open.
            for (name, entry) in before.table.iter() {
                let stayed = now.table.get(name).is_some_and(|same| Arc::ptr_eq(same, entry));
                prop_assert_eq!(entry.is_drained(), !stayed);
            }
            let notified = changes.wait(std::time::Duration::ZERO);
            prop_assert_eq!(notified, (now.number > before.number).then_some(now.number));
        }
    }
}
