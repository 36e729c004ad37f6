//! Orders respect all needs, and no circle goes unseen.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Needs, Walk, spelled, walk};

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

fn needs(pairs: &[(usize, usize)]) -> Needs<'static> {
    let mut needs = Needs::new();
    for &(name, needed) in pairs {
        needs.entry(NAMES[name]).or_default().insert(NAMES[needed]);
    }
    needs
}

/// Whether some name needs itself, over others or not; by trying all ways.
fn has_circle(needs: &Needs<'_>) -> bool {
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
    assert_eq!(walk(&needs(&[])), Walk::default());
    let found = walk(&needs(&[(0, 1), (0, 2), (2, 1)]));
    assert_eq!((found.order, found.circles.len()), (vec!["b", "c", "a"], 0));
}

#[test]
fn circles_begin_with_the_smallest_and_share_no_name() {
    let found = walk(&needs(&[(0, 0), (3, 2), (2, 1), (1, 3), (1, 2), (4, 5), (5, 4)]));
    assert_eq!(found.circles, [vec!["a"], vec!["b", "c"], vec!["e", "f"]]);
    assert_eq!(spelled(&found.circles[1], "after"), "b after c after b");
}

#[test]
fn a_long_chain_is_walked_soon_and_a_long_circle_is_shortened() {
    let names: Vec<String> = (0..20_000).map(|number| format!("n{number:06}")).collect();
    let mut chain: Needs<'_> =
        names.windows(2).map(|pair| (&*pair[0], [&*pair[1]].into())).collect();
    assert_eq!(walk(&chain).order.len(), names.len());
    // Every name leads back to each of the first hundred.
    for name in &names {
        chain.entry(name).or_default().extend(names[..100].iter().map(|it| &**it));
    }
    let circles = walk(&chain).circles;
    assert!((1..=names.len()).contains(&circles.len()));
    let longest = (0..50).map(|n| names[n].as_str()).collect::<Vec<_>>();
    assert!(spelled(&longest, "after").ends_with("n000011 after … after n000000"));
}

proptest! {
    #[test]
    fn an_order_or_a_circle(pairs in prop::collection::vec((0..8_usize, 0..8_usize), 0..14)) {
        let needs = needs(&pairs);
        let found = walk(&needs);
        prop_assert_eq!(has_circle(&needs), !found.circles.is_empty());
        for circle in &found.circles {
            for (index, name) in circle.iter().enumerate() {
                let next = circle[(index + 1) % circle.len()];
                prop_assert!(needs[name].contains(next), "{circle:?}");
            }
        }
        let at = |name: &str| found.order.iter().position(|it| *it == name);
        for (name, needed) in &needs {
            for needed in needed {
                prop_assert!(at(name).is_some() && at(needed).is_some());
                prop_assert!(!found.circles.is_empty() || at(needed) < at(name));
            }
        }
    }
}
