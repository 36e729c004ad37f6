//! Whether the rules of `[[migrations]]` hold, and in which order they can be carried out.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

pub use crate::config::section::migrations::Migration;
use crate::config::section::migrations::needs;
use crate::config::section::settings::Config;
use crate::config::value::graph;

/// A rule that does not hold: neither of its two is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The rule.
    pub migration: Migration,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Migration { remove, requires, reason } = &self.migration;
        write!(f, "expected {remove} to stay until {requires} is there, found neither")?;
        match reason {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

/// The rules that do not hold where `present` says what is there, in the order of the file.
#[must_use]
pub fn violations(config: &Config, present: impl Fn(&str) -> bool) -> Vec<Violation> {
    let broken = |rule: &&Migration| !present(&rule.remove) && !present(&rule.requires);
    let rules = config.migrations.iter().filter(broken).cloned();
    rules.map(|migration| Violation { migration }).collect()
}

/// Everything that the rules name, each once, after all that must be there before it may go.
#[must_use]
pub fn order(config: &Config) -> Vec<&str> {
    graph::walk(&needs(&config.migrations)).order
}

/// The rules, in the order in which they can be carried out.
#[must_use]
pub fn rules_in_order(config: &Config) -> Vec<&Migration> {
    let at: HashMap<&str, usize> =
        order(config).into_iter().enumerate().map(|(index, name)| (name, index)).collect();
    let mut rules: Vec<&Migration> = config.migrations.iter().collect();
    rules.sort_by_key(|rule| (at.get(&*rule.remove), at.get(&*rule.requires)));
    rules
}
