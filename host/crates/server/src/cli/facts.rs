//! Facts about a plugin for people: about a running one, or about the content of a file.

use plugbay::config::Size;
use plugbay::runtime::{PluginStats, RouteDescription};
use plugbay::{
    Description, Grant, Grants, Inspection, Isolation, PlannedPlugin, PluginStatus, RouteStatus,
    StateGrant, TrialStatus,
};

use super::print;

/// Facts about a running plugin, one per row.
pub(super) fn of_running(plugin: &PluginStatus) -> Vec<Vec<String>> {
    let worker = plugin.stats.worker.as_ref();
    let protections = worker.map(|worker| worker.protections.join("\n")).unwrap_or_default();
    rows([
        ("about", plugin.description.clone()),
        ("source", plugin.source.clone()),
        ("form", plugin.form.to_string()),
        ("digest", plugin.digest.clone()),
        ("size", print::size(plugin.size)),
        ("code size", print::size(plugin.code_size)),
        ("since generation", plugin.generation.to_string()),
        ("offers", plugin.capabilities.join("\n")),
        ("routes", routes(&plugin.routes)),
        ("state", plugin.state.as_str().to_owned()),
        ("trial", plugin.trial.as_ref().map(trial).unwrap_or_default()),
        ("imports", plugin.imports.join("\n")),
        ("requests", requested(&plugin.form, &plugin.requested)),
        ("granted", granted(&plugin.form, &plugin.stats, &plugin.policy.grants, &plugin.requested)),
        ("protections", protections),
        ("exports", plugin.exports.join("\n")),
    ])
}

/// Facts about the content of a file, one per row.
pub(super) fn of_file(file: &Inspection) -> Vec<Vec<String>> {
    let described = &file.description;
    let offers = described.capabilities.iter().map(|it| format!("{}:{}", it.kind, it.name));
    rows([
        ("about", described.description.clone()),
        ("source", file.source.clone()),
        ("form", file.form.to_string()),
        ("digest", file.digest.clone()),
        ("size", print::size(file.size)),
        ("code size", print::size(file.code_size)),
        ("offers", offers.collect::<Vec<_>>().join("\n")),
        ("routes", suggested_routes(described)),
        ("imports", file.imports.join("\n")),
        ("requests", requested(&file.form, &file.requested)),
        ("granted", granted_to_each(&file.plugins, &file.requested)),
        ("exports", file.exports.join("\n")),
    ])
}

fn rows<const N: usize>(facts: [(&str, String); N]) -> Vec<Vec<String>> {
    let known = facts.into_iter().filter(|(_, value)| !value.is_empty());
    known.map(|(name, value)| vec![name.to_owned(), value]).collect()
}

/// The routes that lead to a plugin. Those of the configuration are marked.
fn routes(routes: &[RouteStatus]) -> String {
    let lines = routes.iter().map(|route| {
        let origin = if route.origin == "config" { " (configured)" } else { "" };
        format!("{}{origin}", a_route(&route.methods, &route.path, &route.handler))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The routes that a plugin suggests. The configuration may say otherwise.
fn suggested_routes(described: &Description) -> String {
    let handlers = described.capabilities.iter();
    let lines = handlers.flat_map(|capability| {
        let line = |it: &RouteDescription| a_route(&it.methods, &it.path, &capability.name);
        capability.routes.iter().map(line)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn a_route(methods: &[String], path: &str, handler: &str) -> String {
    let methods = if methods.is_empty() { "any".to_owned() } else { methods.join(",") };
    format!("{methods} {path} to {handler}")
}

fn trial(trial: &TrialStatus) -> String {
    format!(
        "{} % of the calls, {} failed of {}\n{}: {} failed of {}",
        trial.share,
        trial.errors,
        trial.calls,
        trial.stable,
        trial.stable_errors,
        trial.stable_calls
    )
}

/// The grants that the imports need. Native code declares none.
fn requested(form: &str, requested: &[Grant]) -> String {
    if requested.is_empty() && form == "wasm" {
        return "nothing".to_owned();
    }
    requested.iter().map(|grant| grant.as_str()).collect::<Vec<_>>().join("\n")
}

/// The grants of a running plugin, and the requested ones that it does not have.
fn granted(form: &str, stats: &PluginStats, open: &Grants, requested: &[Grant]) -> String {
    if form != "wasm" && stats.worker.is_none() {
        return "everything (in-process)".to_owned();
    }
    grants(open, requested)
}

/// The grants that the configuration gives to each plugin of a file.
fn granted_to_each(plugins: &[PlannedPlugin], requested: &[Grant]) -> String {
    let each = plugins.iter().map(|planned| {
        let granted = match planned.isolation {
            Some(Isolation::InProcess) => "everything (in-process)".to_owned(),
            Some(Isolation::Refuse) => "refused: isolation = \"refuse\"".to_owned(),
            _ => grants(&planned.grants, requested),
        };
        if plugins.len() == 1 {
            granted
        } else {
            format!("to {}: {}", planned.name, granted.replace('\n', ", "))
        }
    });
    each.collect::<Vec<_>>().join("\n")
}

/// Grants in full, one per line, without the values of variables.
fn grants(open: &Grants, requested: &[Grant]) -> String {
    let folders = open.files.iter().map(|folder| {
        let how = if folder.write { "write" } else { "read" };
        let (host, guest) = (folder.host.display().to_string(), &folder.guest);
        let seen_as = if host == *guest { String::new() } else { format!(" as {guest}") };
        format!("{how} {host}{seen_as}")
    });
    let network = open.network.iter().map(|entry| {
        let port = entry.port.map_or("*".to_owned(), |port| port.to_string());
        format!("network {}:{port}", entry.host)
    });
    let variables = open.environment.0.keys().map(|name| format!("environment {name}"));
    let switches = open.open().into_iter();
    let switches =
        switches.filter(|grant| matches!(grant, Grant::Clocks | Grant::Random | Grant::Stdio));
    let state = open.state.map(|StateGrant { keys, value, total }| {
        let (value, total) = (Size::bytes(value), Size::bytes(total));
        format!("state of {keys} keys, {value} each, {total} together")
    });
    let denied = requested.iter().filter(|grant| !open.open().contains(grant));
    let lines: Vec<String> = folders
        .chain(network)
        .chain(variables)
        .chain(switches.map(|grant| grant.to_string()))
        .chain(state)
        .chain(denied.map(|grant| format!("not {grant}")))
        .collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") }
}

#[cfg(test)]
mod tests {
    use plugbay::runtime::WorkerStatus;
    use serde_json::{Value, json};

    use super::*;

    fn example() -> Grants {
        serde_json::from_value(json!({
            "files": [
                { "host": "/srv/data", "guest": "/srv/data", "write": false },
                { "host": "/srv/x", "guest": "/x", "write": true },
            ],
            "network": [{ "host": "*.example.org", "port": 443 }, { "host": "10.0.0.0/8", "port": null }],
            "environment": ["TOKEN"],
            "clocks": true, "random": false, "stdio": false,
        }))
        .unwrap()
    }

    #[test]
    fn grants_are_shown_in_full() {
        let all = "read /srv/data\nwrite /srv/x as /x\nnetwork *.example.org:443\n\
                   network 10.0.0.0/8:*\nenvironment TOKEN\nclocks";
        let requested = [Grant::Files, Grant::Clocks, Grant::Random];
        let stats = PluginStats::default();
        assert_eq!(granted("wasm", &stats, &example(), &requested), format!("{all}\nnot random"));
        let file = |isolation: Value| {
            let planned = json!({ "name": "a", "isolation": isolation, "grants": example() });
            granted_to_each(&[serde_json::from_value(planned).unwrap()], &[])
        };
        assert_eq!(file(Value::Null), all);
        assert_eq!(file("process".into()), all);
        assert_eq!(file("in-process".into()), "everything (in-process)");
    }

    #[test]
    fn no_grants_and_all_grants_are_shown_differently() {
        let of = |form: &str, worker: Option<WorkerStatus>| {
            let stats = PluginStats { worker, ..PluginStats::default() };
            granted(form, &stats, &Grants::default(), &[])
        };
        assert_eq!(of("wasm", None), "nothing");
        assert_eq!(of("native", Some(WorkerStatus::default())), "nothing");
        assert_eq!(of("native", None), "everything (in-process)");
        assert_eq!(of("linked", None), "everything (in-process)");
    }
}
