//! What people want to know of a plugin: of its status, or of what a file holds.

use serde_json::Value;

use super::print;

pub(super) fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or_default()
}

/// A fact a row.
pub(super) fn rows(facts: &Value) -> Vec<Vec<String>> {
    let described = &facts["description"];
    let about = described.as_str().unwrap_or_else(|| text(described, "description"));
    let offers = facts.get("capabilities").unwrap_or(&described["capabilities"]);
    let bytes = |key: &str| facts[key].as_u64().map(print::size).unwrap_or_default();
    let rows = [
        ("about", about.to_owned()),
        ("source", text(facts, "source").to_owned()),
        ("form", text(facts, "form").to_owned()),
        ("digest", text(facts, "digest").to_owned()),
        ("size", bytes("size")),
        ("code size", bytes("code_size")),
        (
            "since generation",
            facts["generation"].as_u64().map(|n| n.to_string()).unwrap_or_default(),
        ),
        ("offers", list(offers).join("\n")),
        ("state", text(facts, "state").to_owned()),
        ("trial", trial(&facts["trial"])),
        ("imports", list(&facts["imports"]).join("\n")),
        ("asks for", asked(facts)),
        ("granted", granted(facts)),
        ("protections", list(&facts["stats"]["worker"]["protections"]).join("\n")),
        ("exports", list(&facts["exports"]).join("\n")),
    ];
    let known = rows.into_iter().filter(|(_, value)| !value.is_empty());
    known.map(|(name, value)| vec![name.to_owned(), value]).collect()
}

fn items(of: &Value) -> &[Value] {
    of.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Words, or capabilities as `kind:name`.
fn list(of: &Value) -> Vec<String> {
    let named = |item: &Value| match item.as_str() {
        Some(item) => item.to_owned(),
        None => format!("{}:{}", text(item, "kind"), text(item, "name")),
    };
    items(of).iter().map(named).collect()
}

fn trial(trial: &Value) -> String {
    if trial.is_null() {
        return String::new();
    }
    format!(
        "{} % of the calls, {} failed of {}\n{}: {} failed of {}",
        trial["share"],
        trial["errors"],
        trial["calls"],
        text(trial, "stable"),
        trial["stable_errors"],
        trial["stable_calls"]
    )
}

/// What its imports lead to. Native code asks for nothing: it tries.
fn asked(facts: &Value) -> String {
    match list(&facts["requested"]) {
        none if none.is_empty() && text(facts, "form") == "wasm" => "nothing".to_owned(),
        asked => asked.join("\n"),
    }
}

/// What of the world is open to it, and what it asks for in vain.
fn granted(facts: &Value) -> String {
    let Some(prospects) = facts["plugins"].as_array() else {
        let everything = text(facts, "form") != "wasm" && facts["stats"]["worker"].is_null();
        return if everything {
            "everything (in-process)".to_owned()
        } else {
            grants(facts, &facts["policy"]["grants"])
        };
    };
    // A file: what the configuration would grant.
    let each = prospects.iter().map(|prospect| {
        let granted = match prospect["isolation"].as_str() {
            Some("in-process") => "everything (in-process)".to_owned(),
            Some("refuse") => "no place to run: isolation = \"refuse\"".to_owned(),
            _ => grants(facts, &prospect["grants"]),
        };
        if prospects.len() == 1 {
            granted
        } else {
            format!("to {}: {}", text(prospect, "name"), granted.replace('\n', ", "))
        }
    });
    each.collect::<Vec<_>>().join("\n")
}

/// Grants in full, but for the values of variables, a line each.
fn grants(facts: &Value, grants: &Value) -> String {
    let folders = items(&grants["files"]).iter().map(|folder| {
        let how = if folder["write"] == true { "write" } else { "read" };
        let (host, guest) = (text(folder, "host"), text(folder, "guest"));
        let seen_as = if host == guest { String::new() } else { format!(" as {guest}") };
        ("files", format!("{how} {host}{seen_as}"))
    });
    let network = items(&grants["network"]).iter().map(|entry| {
        let port = entry["port"].as_u64().map_or("*".to_owned(), |port| port.to_string());
        ("network", format!("network {}:{port}", text(entry, "host")))
    });
    let variables = list(&grants["environment"]).into_iter();
    let variables = variables.map(|name| ("environment", format!("environment {name}")));
    let switches = ["clocks", "random", "stdio"].into_iter();
    let switches = switches.filter(|door| grants[*door] == true).map(|it| (it, it.to_owned()));
    let open: Vec<_> = folders.chain(network).chain(variables).chain(switches).collect();
    let denied = list(&facts["requested"]).into_iter();
    let denied = denied.filter(|asked| !open.iter().any(|(door, _)| door == asked));
    let denied: Vec<_> = denied.map(|door| format!("not {door}")).collect();
    let lines: Vec<_> = open.into_iter().map(|(_, line)| line).chain(denied).collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn grants_are_shown_in_full() {
        let grants = json!({
            "files": [
                { "host": "/srv/data", "guest": "/srv/data", "write": false },
                { "host": "/srv/x", "guest": "/x", "write": true },
            ],
            "network": [{ "host": "*.example.org", "port": 443 }, { "host": "10.0.0.0/8", "port": null }],
            "environment": ["TOKEN"],
            "clocks": true, "random": false, "stdio": false,
        });
        let all = "read /srv/data\nwrite /srv/x as /x\nnetwork *.example.org:443\n\
                   network 10.0.0.0/8:*\nenvironment TOKEN\nclocks";
        let asked = json!(["files", "clocks", "random"]);
        let running = json!({ "form": "wasm", "requested": asked, "policy": { "grants": grants } });
        assert_eq!(granted(&running), format!("{all}\nnot random"));
        let file = |isolation: Value| {
            json!({ "form": "native", "plugins": [
                { "name": "a", "isolation": isolation, "grants": grants },
            ] })
        };
        assert_eq!(granted(&file(Value::Null)), all);
        assert_eq!(granted(&file("process".into())), all);
        assert_eq!(granted(&file("in-process".into())), "everything (in-process)");
    }

    #[test]
    fn who_is_granted_nothing_is_told_from_who_has_everything() {
        let nothing = json!({ "grants": {} });
        let of = |form: &str, worker: Value| {
            granted(&json!({ "form": form, "policy": nothing, "stats": { "worker": worker } }))
        };
        assert_eq!(of("wasm", Value::Null), "nothing");
        assert_eq!(of("native", json!({ "state": "running" })), "nothing");
        assert_eq!(of("native", Value::Null), "everything (in-process)");
        assert_eq!(of("linked", Value::Null), "everything (in-process)");
    }
}
