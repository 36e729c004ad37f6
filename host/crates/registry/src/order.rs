//! Topological order of names with dependencies, or the cycles that prevent one.
//!
//! ```
//! use plugbay_registry::order::{Dependencies, topological_order};
//!
//! let needs = Dependencies::from([("app", ["log", "store"].into()), ("store", ["log"].into())]);
//! assert_eq!(topological_order(&needs).order, ["log", "store", "app"]);
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_set};

/// The names that must come before each name. A name without dependencies may be left out.
pub type Dependencies<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// An order of all names, or the cycles among them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TopologicalOrder<'a> {
    /// Every name once, after all names that it depends on; meaningless if there is a cycle.
    pub order: Vec<&'a str>,
    /// Cycles that share no name, at least one for each connected set of cycles. Each name needs
    /// the next, and the last needs the first, which is the smallest.
    pub cycles: Vec<Vec<&'a str>>,
}

/// A name on the path from the start of the search to its current position.
struct Step<'n, 'a> {
    name: &'a str,
    rest: Option<btree_set::Iter<'n, &'a str>>,
    /// The last step of the path, up to this one, that already belongs to a reported cycle.
    in_cycle: Option<usize>,
}

enum Seen {
    /// On the path, at this index.
    OnPath(usize),
    Done,
}

/// Sorts names by their dependencies, or finds the cycles. A depth-first search without recursion,
/// since a file may name any number of dependencies. The time is linear in the number of names and
/// dependencies.
#[must_use]
pub fn topological_order<'a>(needs: &Dependencies<'a>) -> TopologicalOrder<'a> {
    let mut found = TopologicalOrder::default();
    let mut seen: HashMap<&str, Seen> = HashMap::new();
    for &start in needs.keys() {
        let mut path: Vec<Step<'_, 'a>> = Vec::new();
        let mut next = (!seen.contains_key(start)).then_some(start);
        loop {
            if let Some(name) = next {
                seen.insert(name, Seen::OnPath(path.len()));
                let rest = needs.get(name).map(BTreeSet::iter);
                let in_cycle = path.last().and_then(|step| step.in_cycle);
                path.push(Step { name, rest, in_cycle });
            }
            let Some(here) = path.last_mut() else { break };
            next = here.rest.as_mut().and_then(Iterator::next).copied();
            match next.map(|name| seen.get(name)) {
                // A new name: the search goes on there.
                Some(None) => {}
                Some(Some(Seen::Done)) => next = None,
                Some(Some(&Seen::OnPath(from))) => {
                    next = None;
                    if here.in_cycle.is_none_or(|in_cycle| in_cycle < from) {
                        found.cycles.push(cycle(&mut path, from));
                    }
                }
                None => {
                    found.order.push(here.name);
                    seen.insert(here.name, Seen::Done);
                    path.pop();
                }
            }
        }
    }
    found
}

/// The end of the path, which leads back to its own beginning.
fn cycle<'a>(path: &mut [Step<'_, 'a>], from: usize) -> Vec<&'a str> {
    let mut names = Vec::new();
    for (index, step) in path.iter_mut().enumerate().skip(from) {
        step.in_cycle = Some(index);
        names.push(step.name);
    }
    let smallest = (0..names.len()).min_by_key(|&index| names[index]).unwrap_or_default();
    names.rotate_left(smallest);
    names
}

/// The most names of a cycle that are printed.
const FORMATTED: usize = 12;

/// A cycle in words: `a after b after a`, for the word `after`.
#[must_use]
pub fn format_cycle(cycle: &[impl AsRef<str>], word: &str) -> String {
    let mut names: Vec<&str> = cycle.iter().map(AsRef::as_ref).take(FORMATTED).collect();
    if cycle.len() > FORMATTED {
        names.push("…");
    }
    names.extend(cycle.first().map(AsRef::as_ref));
    names.join(&format!(" {word} "))
}

#[cfg(all(test, not(loom)))]
mod tests;
