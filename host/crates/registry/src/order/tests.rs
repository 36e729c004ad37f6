//! Orders respect all needs, and no cycle goes unseen.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Dependencies, TopologicalOrder, format_cycle, topological_order};

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

fn needs(pairs: &[(usize, usize)]) -> Dependencies<'static> {
    let mut needs = Dependencies::new();
    for &(name, needed) in pairs {
        needs.entry(NAMES[name]).or_default().insert(NAMES[needed]);
    }
    needs
}

/// Whether some name needs itself, directly or indirectly; by trying all paths.
fn has_cycle(needs: &Dependencies<'_>) -> bool {
    needs.keys().any(|&start| {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = vec![start];
        while let Some(name) = open.pop() {
            for &next in needs.get(name).into_iter().flatten() {
                if reached.insert(next) {
                    open.push(next);
                }
            }
        }
        reached.contains(start)
    })
}

#[test]
fn what_is_needed_comes_first() {
    assert_eq!(topological_order(&needs(&[])), TopologicalOrder::default());
    let found = topological_order(&needs(&[(0, 1), (0, 2), (2, 1)]));
    assert_eq!((found.order, found.cycles.len()), (vec!["b", "c", "a"], 0));
}

#[test]
fn cycles_begin_with_the_smallest_and_share_no_name() {
    let found =
        topological_order(&needs(&[(0, 0), (3, 2), (2, 1), (1, 3), (1, 2), (4, 5), (5, 4)]));
    assert_eq!(found.cycles, [vec!["a"], vec!["b", "c"], vec!["e", "f"]]);
    assert_eq!(format_cycle(&found.cycles[1], "after"), "b after c after b");
}

#[test]
fn a_long_chain_is_walked_soon_and_a_long_cycle_is_shortened() {
    let names: Vec<String> = (0..20_000).map(|number| format!("n{number:06}")).collect();
    let mut chain: Dependencies<'_> =
        names.windows(2).map(|pair| (&*pair[0], [&*pair[1]].into())).collect();
    assert_eq!(topological_order(&chain).order.len(), names.len());
    // Every name leads back to each of the first hundred.
    for name in &names {
        chain.entry(name).or_default().extend(names[..100].iter().map(|it| &**it));
    }
    let cycles = topological_order(&chain).cycles;
    assert!((1..=names.len()).contains(&cycles.len()));
    let longest = (0..50).map(|n| names[n].as_str()).collect::<Vec<_>>();
    assert!(format_cycle(&longest, "after").ends_with("n000011 after … after n000000"));
}

proptest! {
    #[test]
    fn an_order_or_a_cycle(pairs in prop::collection::vec((0..8_usize, 0..8_usize), 0..14)) {
        let needs = needs(&pairs);
        let found = topological_order(&needs);
        prop_assert_eq!(has_cycle(&needs), !found.cycles.is_empty());
        for cycle in &found.cycles {
            for (index, name) in cycle.iter().enumerate() {
                let next = cycle[(index + 1) % cycle.len()];
                prop_assert!(needs[name].contains(next), "{cycle:?}");
            }
        }
        let at = |name: &str| found.order.iter().position(|it| *it == name);
        for (name, needed) in &needs {
            for needed in needed {
                prop_assert!(at(name).is_some() && at(needed).is_some());
                prop_assert!(!found.cycles.is_empty() || at(needed) < at(name));
            }
        }
    }
}
