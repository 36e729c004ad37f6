//! What comes before what: an order, or the circles that stand against one.
//!
//! ```
//! use plugbay_registry::order::{Needs, walk};
//!
//! let needs = Needs::from([("app", ["log", "store"].into()), ("store", ["log"].into())]);
//! assert_eq!(walk(&needs).order, ["log", "store", "app"]);
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_set};

/// What each name needs to come before it. A name that needs nothing may be left out.
pub type Needs<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// What a walk over all names found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Walk<'a> {
    /// Every name once, after all that it needs; without meaning if there is a circle.
    pub order: Vec<&'a str>,
    /// Circles that share no name, at least one of those that hang together. Each name needs the
    /// next, and the last the first, which is the smallest.
    pub circles: Vec<Vec<&'a str>>,
}

/// A name on the way from where the walk began to where it is.
struct Step<'n, 'a> {
    name: &'a str,
    rest: Option<btree_set::Iter<'n, &'a str>>,
    /// The last step of the way, up to this one, that is in a circle already.
    circled: Option<usize>,
}

enum Seen {
    /// On the way, as so many-th step.
    OnTheWay(usize),
    Done,
}

/// Finds an order, or the circles.
///
/// Walks in depth, and without recursion: a file may name as many as it likes. The time grows
/// with names and needs only.
#[must_use]
pub fn walk<'a>(needs: &Needs<'a>) -> Walk<'a> {
    let mut found = Walk::default();
    let mut seen: HashMap<&str, Seen> = HashMap::new();
    for &start in needs.keys() {
        let mut way: Vec<Step<'_, 'a>> = Vec::new();
        let mut next = (!seen.contains_key(start)).then_some(start);
        loop {
            if let Some(name) = next {
                seen.insert(name, Seen::OnTheWay(way.len()));
                let rest = needs.get(name).map(BTreeSet::iter);
                let circled = way.last().and_then(|step| step.circled);
                way.push(Step { name, rest, circled });
            }
            let Some(here) = way.last_mut() else { break };
            next = here.rest.as_mut().and_then(Iterator::next).copied();
            match next.map(|name| seen.get(name)) {
                // A name that was not seen: the walk goes on there.
                Some(None) => {}
                Some(Some(Seen::Done)) => next = None,
                Some(Some(&Seen::OnTheWay(from))) => {
                    next = None;
                    if here.circled.is_none_or(|circled| circled < from) {
                        found.circles.push(circle(&mut way, from));
                    }
                }
                None => {
                    found.order.push(here.name);
                    seen.insert(here.name, Seen::Done);
                    way.pop();
                }
            }
        }
    }
    found
}

/// The end of the way, which leads back to its own beginning.
fn circle<'a>(way: &mut [Step<'_, 'a>], from: usize) -> Vec<&'a str> {
    let mut names = Vec::new();
    for (index, step) in way.iter_mut().enumerate().skip(from) {
        step.circled = Some(index);
        names.push(step.name);
    }
    let smallest = (0..names.len()).min_by_key(|&index| names[index]).unwrap_or_default();
    names.rotate_left(smallest);
    names
}

/// Names of a circle that are spelled out.
const SPELLED: usize = 12;

/// A circle in words: `a after b after a`, for the word `after`.
#[must_use]
pub fn spelled(circle: &[impl AsRef<str>], word: &str) -> String {
    let mut names: Vec<&str> = circle.iter().map(AsRef::as_ref).take(SPELLED).collect();
    if circle.len() > SPELLED {
        names.push("…");
    }
    names.extend(circle.first().map(AsRef::as_ref));
    names.join(&format!(" {word} "))
}

#[cfg(all(test, not(loom)))]
mod tests;
