//! `[[migrations]]`: what may be removed only once something else is present.

use std::collections::BTreeMap;

use plugbay_registry::migrate::{Migrator, Rule};
use plugbay_registry::order;

use super::capabilities::{KEY_RULE, parse_key};
use super::keys;
use crate::config::problem::render;
use crate::config::problem::report::Report;
use crate::config::read::section::Section;
use crate::config::read::tree::{Node, Table, Value};

pub(crate) fn read(root: &Table, report: &mut Report<'_>) -> Migrator {
    let Some(entry) = root.get("migrations") else {
        return Migrator::default();
    };
    let Value::Array(items) = &entry.node.value else {
        let message = format!("expected an array of tables, found {}", entry.node.value.found());
        let hint = "migrations are written in the file only, each under a line [[migrations]]";
        report.wrong_type(&entry.node.at, "migrations", message, Some(hint.to_owned()));
        return Migrator::default();
    };
    let mut rules: Vec<Rule> = Vec::with_capacity(items.len());
    // The first rule for each pair: its key and its place.
    let mut seen: BTreeMap<(String, String), (String, &Node)> = BTreeMap::new();
    for (index, node) in items.iter().enumerate() {
        let path = format!("migrations[{index}]");
        let Some(rule) = read_one(node, &path, report) else {
            continue;
        };
        let pair = (rule.remove.clone(), rule.requires.clone());
        if let Some((other, _)) = seen.get(&pair) {
            let message = format!("expected each rule once, found {other} as well");
            report.value(&node.at, &path, message, Some("remove one of them".to_owned()));
            continue;
        }
        seen.insert(pair, (path, node));
        rules.push(rule);
    }
    let cycles = match Migrator::new(rules) {
        Ok(migrator) => return migrator,
        Err(refused) => refused.cycles,
    };
    for cycle in cycles {
        let pair = (cycle[0].clone(), cycle[1 % cycle.len()].clone());
        if let Some((path, node)) = seen.get(&pair) {
            let found = order::format_cycle(&cycle, "requires");
            let hint = "none of these could ever be removed; delete one of the rules";
            let message = format!("expected no cycle, found {found}");
            report.value(&node.at, path, message, Some(hint.to_owned()));
        }
    }
    Migrator::default()
}

fn read_one(node: &Node, path: &str, report: &mut Report<'_>) -> Option<Rule> {
    let Value::Table(table) = &node.value else {
        let message = format!("expected a table, found {}", node.value.found());
        let hint = "write [[migrations]], and its keys below";
        report.wrong_type(&node.at, path, message, Some(hint.to_owned()));
        return None;
    };
    for required in ["remove", "requires"] {
        if !table.contains_key(required) {
            let hint = "say what may be removed and what must be present: remove = \"codec:json-v1\", \
                        requires = \"codec:json-v2\"";
            let message = format!("expected the key `{required}`, found none");
            report.value(&node.at, path, message, Some(hint.to_owned()));
        }
    }
    let mut section = Section::over(Some(table), path.to_owned(), keys::MIGRATION, report);
    let remove = read_end(&mut section, "remove");
    let requires = read_end(&mut section, "requires");
    let reason = read_reason(&mut section);
    let (remove, requires) = (remove?, requires?);
    if remove == requires {
        let message = format!("expected something else than `remove`, found {requires:?} again");
        let hint = "name what replaces the removed one";
        section.refuse("requires", message, Some(hint.to_owned()));
        return None;
    }
    Some(Rule { remove, requires, reason })
}

fn read_end(section: &mut Section<'_, '_>, key: &str) -> Option<String> {
    let name: String = section.get(key)?;
    if parse_key(&name).is_some() {
        return Some(name);
    }
    let message = format!(
        "expected a capability such as \"codec:json\" or a plugin such as \"plugin:hello\", found {}",
        render::quoted(&name)
    );
    section.refuse(key, message, Some(KEY_RULE.to_owned()));
    None
}

/// The reason: one line of text, because it is printed within a line.
fn read_reason(section: &mut Section<'_, '_>) -> Option<String> {
    let reason: String = section.get("reason")?;
    if reason.chars().any(char::is_control) {
        let message = format!("expected one line of text, found {}", render::quoted(&reason));
        section.refuse("reason", message, None);
    }
    Some(reason)
}
