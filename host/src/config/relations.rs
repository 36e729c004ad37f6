//! Settings that must fit each other. Checked on the merged whole only: a flag may complete what
//! the file begins.

use super::report::Report;
use super::tree::{Node, Table, Value};
use super::{Config, PluginDefaults, render};

pub(super) fn check(config: &Config, root: &Table, report: &mut Report<'_>) {
    listeners(config, root, report);
    memory(&config.defaults, root, "defaults", &["defaults"], report);
    for (name, settings) in &config.plugins {
        let own = ["memory", "total_memory", "recycle_memory"];
        let at = ["plugins", name.as_str()];
        if own.iter().any(|key| find(root, &[&at[..], &[key]].concat()).is_some()) {
            let policy = config.defaults.overlaid(settings);
            memory(&policy, root, &render::join_key("plugins", name), &at, report);
        }
    }
}

fn listeners(config: &Config, root: &Table, report: &mut Report<'_>) {
    let (server, admin) = (config.server.listen, config.admin.listen);
    if !config.admin.enabled || server != admin || server.port() == 0 {
        return;
    }
    let message =
        format!("expected another address than [server] listen, found \"{admin}\" for both");
    let hint = "the data plane and the admin plane each need a port of their own";
    for section in ["admin", "server"] {
        if let Some(node) = find(root, &[section, "listen"]) {
            report.value(&node.at, &format!("{section}.listen"), message, Some(hint.to_owned()));
            return;
        }
    }
}

/// `at` is the table whose keys are blamed before those of `[defaults]`.
fn memory(policy: &PluginDefaults, root: &Table, path: &str, at: &[&str], report: &mut Report<'_>) {
    let mut refuse = |keys: [&str; 2], message: String, hint: &str| {
        let blamed =
            keys.iter().find_map(|&key| find(root, &[at, &[key]].concat()).map(|node| (key, node)));
        if let Some((key, node)) = blamed {
            report.value(&node.at, &format!("{path}.{key}"), message, Some(hint.to_owned()));
        }
    };
    if policy.memory > policy.total_memory {
        refuse(
            ["memory", "total_memory"],
            format!(
                "expected memory (one instance) of at most total_memory (all instances), \
                 found \"{}\" and \"{}\"",
                policy.memory, policy.total_memory
            ),
            "raise total_memory, or lower memory",
        );
    }
    if policy.recycle_memory > policy.memory {
        refuse(
            ["recycle_memory", "memory"],
            format!(
                "expected recycle_memory of at most memory, found \"{}\" and \"{}\"",
                policy.recycle_memory, policy.memory
            ),
            "an instance never holds more than memory, so it would never be replaced; \
             lower recycle_memory, or write \"0B\" for never",
        );
    }
}

fn find<'a>(root: &'a Table, path: &[&str]) -> Option<&'a Node> {
    let (last, parents) = path.split_last()?;
    let mut table = root;
    for part in parents {
        match &table.get(*part)?.node.value {
            Value::Table(next) => table = next,
            _ => return None,
        }
    }
    table.get(*last).map(|entry| &entry.node)
}
