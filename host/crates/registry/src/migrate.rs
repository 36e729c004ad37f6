//! Migrations: a name that may be removed only once another one is present.
//!
//! For example, `json-v1` may be removed only when `json-v2` is present, and `json-v2` only after
//! `schema-v2`. A [`Migrator`] holds such [`Rule`]s. It refuses rules that form a cycle, since no
//! name of a cycle could ever be removed. It reports which rules a set of names would break, and in
//! which order the rules can be carried out. A rule is about names, and a name may be of any
//! registry, or of several: the caller says which names are present. So one migrator covers codecs
//! and handlers alike, and is consulted before a set is published:
//!
//! ```
//! use plugbay_registry::migrate::{Migrator, Rule};
//! use plugbay_registry::Registry;
//!
//! let migrator = Migrator::new([
//!     Rule::new("codec:json-v1", "codec:json-v2").because("old clients"),
//!     Rule::new("handler:export", "codec:json-v2"),
//! ])?;
//!
//! let (codecs, handlers) = (Registry::new("codec"), Registry::new("handler"));
//! codecs.must_register("json-v1", 1);
//! handlers.must_register("export", "code");
//!
//! // The next set of codecs would hold neither version of the codec.
//! let refused = migrator.check(|name| match name.split_once(':') {
//!     Some(("handler", name)) => handlers.contains(name),
//!     _ => false,
//! });
//! assert_eq!(
//!     refused.unwrap_err().to_string(),
//!     "expected codec:json-v1 to stay until codec:json-v2 is there, found neither (old clients)"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::HashMap;
use std::fmt;

use thiserror::Error;

use crate::order::{self, Dependencies};

/// One rule: `remove` may be absent only where `requires` is present.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Rule {
    /// The name that may be removed.
    pub remove: String,
    /// The name that must be present before.
    pub requires: String,
    /// The reason, for people.
    pub reason: Option<String>,
}

impl Rule {
    /// A rule without a reason.
    pub fn new(remove: impl Into<String>, requires: impl Into<String>) -> Self {
        Self { remove: remove.into(), requires: requires.into(), reason: None }
    }

    /// This rule, with a reason for people to read.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    fn is_broken(&self, present: impl Fn(&str) -> bool) -> bool {
        !present(&self.remove) && !present(&self.requires)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} may go once {} is there", self.remove, self.requires)?;
        because(self.reason.as_deref(), f)
    }
}

fn because(reason: Option<&str>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match reason {
        Some(reason) => write!(f, " ({reason})"),
        None => Ok(()),
    }
}

/// A rule that a set would break: neither of its two names is in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule { remove, requires, reason } = &self.rule;
        write!(f, "expected {remove} to stay until {requires} is there, found neither")?;
        because(reason.as_deref(), f)
    }
}

/// Rules that form cycles: no name of a cycle could ever be removed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected no cycle, found {}", .cycles.iter().map(|it| order::format_cycle(it, "requires")).collect::<Vec<_>>().join("; "))]
pub struct CyclicRules {
    /// Cycles that share no name, at least one. Each name requires the next, and the last
    /// the first, which is the smallest.
    pub cycles: Vec<Vec<String>>,
}

/// Migration rules without a cycle, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct Migrator {
    rules: Vec<Rule>,
}

impl Migrator {
    /// A migrator of these rules.
    ///
    /// # Errors
    /// [`CyclicRules`] if a name directly or indirectly requires itself.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Result<Self, CyclicRules> {
        let migrator = Self { rules: rules.into_iter().collect() };
        let cycles = order::topological_order(&migrator.needs()).cycles;
        if cycles.is_empty() {
            return Ok(migrator);
        }
        let owned = |cycle: Vec<&str>| cycle.into_iter().map(str::to_owned).collect();
        Err(CyclicRules { cycles: cycles.into_iter().map(owned).collect() })
    }

    /// The rules, in the order in which they were given.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rules that a set of names would break, in the order in which they were given. `present`
    /// says whether the set holds a name.
    #[must_use]
    pub fn violations(&self, present: impl Fn(&str) -> bool) -> Vec<Violation> {
        let broken = self.rules.iter().filter(|rule| rule.is_broken(&present));
        broken.map(|rule| Violation { rule: rule.clone() }).collect()
    }

    /// Whether a set keeps all rules.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub fn check(&self, present: impl Fn(&str) -> bool) -> Result<(), Violation> {
        match self.rules.iter().find(|rule| rule.is_broken(&present)) {
            Some(rule) => Err(Violation { rule: rule.clone() }),
            None => Ok(()),
        }
    }

    /// All names in the rules, each once, after the names that must be present before it may be
    /// removed.
    #[must_use]
    pub fn order(&self) -> Vec<&str> {
        order::topological_order(&self.needs()).order
    }

    /// The rules, in the order in which they can be carried out.
    #[must_use]
    pub fn rules_in_order(&self) -> Vec<&Rule> {
        let at: HashMap<&str, usize> =
            self.order().into_iter().enumerate().map(|(index, name)| (name, index)).collect();
        let mut rules: Vec<&Rule> = self.rules.iter().collect();
        rules.sort_by_key(|rule| (at.get(&*rule.remove), at.get(&*rule.requires)));
        rules
    }

    fn needs(&self) -> Dependencies<'_> {
        let mut needs = Dependencies::new();
        for rule in &self.rules {
            needs.entry(&rule.remove).or_default().insert(&rule.requires);
        }
        needs
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn migrator(pairs: &[(&str, &str)]) -> Result<Migrator, CyclicRules> {
        Migrator::new(pairs.iter().map(|(remove, requires)| Rule::new(*remove, *requires)))
    }

    #[test]
    fn a_rule_holds_while_one_of_the_two_is_there() {
        let migrator = migrator(&[("v1", "v2"), ("old", "new")]).expect("no cycle");
        let broken = |present: &[&str]| -> Vec<String> {
            let found = migrator.violations(|name| present.contains(&name));
            found.into_iter().map(|it| it.rule.remove).collect()
        };
        assert_eq!(broken(&[]), ["v1", "old"]);
        assert_eq!(broken(&["v1"]), ["old"]);
        assert_eq!(broken(&["v2", "new"]), [""; 0]);
        assert_eq!(migrator.check(|name| name == "v1").expect_err("broken").rule.remove, "old");
        assert_eq!(migrator.check(|name| name.starts_with('v') || name == "new"), Ok(()));
    }

    #[test]
    fn a_partial_order_is_kept_and_rules_come_in_the_order_of_their_work() {
        let migrator = migrator(&[("v1", "v2"), ("v2", "v3"), ("a", "v3")]).expect("no cycle");
        assert_eq!(migrator.order(), ["v3", "a", "v2", "v1"]);
        let rules: Vec<String> =
            migrator.rules_in_order().into_iter().map(ToString::to_string).collect();
        assert_eq!(
            rules,
            [
                "a may go once v3 is there",
                "v2 may go once v3 is there",
                "v1 may go once v2 is there"
            ]
        );
    }

    #[test]
    fn cycles_are_refused() {
        let refused = migrator(&[("c", "a"), ("a", "b"), ("b", "c"), ("x", "x")]);
        let refused = refused.expect_err("two cycles");
        assert_eq!(
            refused.to_string(),
            "expected no cycle, found a requires b requires c requires a; x requires x"
        );
    }
}
