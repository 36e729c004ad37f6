//! The repository's `config.toml` documents all keys, and no others.

use std::collections::BTreeSet;

use super::good;
use crate::config::Config;
use crate::config::section::keys;

const FILE: &str = include_str!("../../../../config.toml");

/// The file with its examples uncommented.
fn uncommented() -> String {
    let lines: Vec<&str> = FILE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(example) if !example.is_empty() && !example.starts_with(' ') => example,
            _ => line,
        })
        .collect();
    lines.join("\n")
}

#[test]
fn the_file_states_the_defaults() {
    assert_eq!(good(FILE), Config::default());
}

#[test]
fn the_examples_in_the_file_are_valid() {
    let config = good(&uncommented());
    let hello = &config.plugins["hello"];
    assert_eq!(hello.config["greeting"], "Hello");
    assert_eq!(config.routes[0].handler, "hello");
    assert_eq!(config.capabilities.len(), 3);
    assert_eq!(config.migrations.rules()[0].requires, "codec:json-v2");
}

/// Every key of the file, as `section.key`, with the comment above it.
fn documented() -> Vec<(String, String)> {
    let (mut section, mut comment, mut found) = (String::new(), String::new(), Vec::new());
    for line in FILE.lines() {
        if let Some(text) = line.strip_prefix("# ") {
            comment.push_str(text);
            continue;
        }
        let line = line.trim_start_matches('#');
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).replace(".hello", "");
            section = section.split(".\"").next().unwrap_or_default().to_owned();
        } else if let Some((key, _)) = line.split_once(" = ") {
            found.push((format!("{section}.{key}"), comment.clone()));
            // One comment may belong to several example lines.
            if section == "plugins" {
                continue;
            }
        }
        comment.clear();
    }
    found
}

#[test]
fn the_file_documents_every_key() {
    let documented = documented();
    let named: BTreeSet<&str> = documented.iter().map(|(key, _)| key.as_str()).collect();
    for (section, keys) in [
        ("host", keys::HOST),
        ("server", keys::SERVER),
        ("admin", keys::ADMIN),
        ("telemetry", keys::TELEMETRY),
        ("discovery", keys::DISCOVERY),
        ("defaults", keys::DEFAULTS),
        ("plugins", &keys::PLUGIN),
        ("plugins.grants", keys::GRANTS),
        ("routes", keys::ROUTE),
        ("capabilities", keys::CAPABILITY),
        ("migrations", keys::MIGRATION),
    ] {
        for key in keys {
            let key = format!("{section}.{key}");
            let table = ["plugins.config", "plugins.grants"].contains(&key.as_str());
            assert!(table || named.contains(key.as_str()), "{key} is missing");
        }
    }
    for (key, comment) in documented {
        assert!(!comment.is_empty() || key.contains(".config."), "{key} has no comment");
    }
}

#[test]
fn the_file_marks_the_keys_that_need_a_restart() {
    let marked: Vec<String> = documented()
        .into_iter()
        .filter(|(_, comment)| comment.contains("(restart)"))
        .map(|(key, _)| key)
        .collect();
    let mut other = Config::default();
    other.server.listen.pop();
    other.admin.listen.pop();
    other.host.cache = "elsewhere".into();
    other.host.state = "elsewhere.db".into();
    other.host.mapped = crate::config::Size::mib(1);
    other.host.mapped_beyond = plugbay_core::Isolation::Refuse;
    other.server.connections.max_connections = 1;
    other.admin.max_connections = 8;
    other.admin.timeout = std::time::Duration::from_secs(1);
    other.admin.rate = crate::config::Rate::NONE;
    other.admin.change_rate = crate::config::Rate::NONE;
    other.admin.attempt_rate = crate::config::Rate::NONE;
    other.admin.enabled = false;
    other.admin.tokens = "tokens".into();
    other.admin.audit = "audit".into();
    other.admin.tls = Some(crate::config::TlsSettings::default());
    other.server.tls = other.admin.tls.clone();
    other.telemetry.endpoint = "http://127.0.0.1:4317".into();
    other.telemetry.protocol = crate::config::SpanProtocol::Http;
    other.telemetry.service_name = "shop".into();
    other.telemetry.headers.0.insert("key".into(), "value".into());
    other.telemetry.timeout = std::time::Duration::from_secs(1);
    other.discovery.enabled = true;
    other.discovery.listen.pop();
    other.discovery.data = "directory.db".into();
    other.discovery.tokens = "tokens".into();
    other.discovery.directory.push("directory.example:7072".into());
    other.discovery.token_file = "directory.token".into();
    other.discovery.ca = "ca.pem".into();
    other.discovery.dns = Some(([127, 0, 0, 1], 53).into());
    other.discovery.zone = "example".into();
    other.discovery.tls = other.admin.tls.clone();
    let pending = Config::pending_restart(&Config::default(), &other);
    let needed: Vec<&str> = pending.iter().map(|restart| restart.key.as_str()).collect();
    assert_eq!(marked, needed);
}

#[test]
fn every_listed_key_is_read() {
    for (section, keys) in [
        ("[host]", keys::HOST),
        ("[server]", keys::SERVER),
        ("[admin]", keys::ADMIN),
        ("[telemetry]", keys::TELEMETRY),
        ("[discovery]", keys::DISCOVERY),
        ("[defaults]", keys::DEFAULTS),
        ("[plugins.x]", &keys::PLUGIN),
        ("[plugins.x.grants]", keys::GRANTS),
        ("[[routes]]", keys::ROUTE),
        ("[capabilities.'codec:x']", keys::CAPABILITY),
        ("[[migrations]]", keys::MIGRATION),
    ] {
        for key in keys {
            // No key takes a datetime.
            let error = super::refused(&format!("{section}\n{key} = 1979-05-27"));
            let blamed = error.problems.iter().any(|problem| {
                problem.kind == crate::config::ProblemKind::Type
                    && problem.key.as_deref().is_some_and(|full| full.ends_with(key))
            });
            assert!(blamed, "{section} {key} is not read:\n{error}");
        }
    }
}

#[test]
fn the_defaults_are_serialised_as_in_the_file() {
    let json = serde_json::to_value(Config::default()).expect("json");
    let file: toml::de::DeTable<'_> = toml::de::DeTable::parse(FILE).expect("toml").into_inner();
    for (section, value) in file {
        let toml::de::DeValue::Table(table) = value.into_inner() else {
            continue;
        };
        for (key, value) in table {
            let shown = match &json[section.get_ref().as_ref()][key.get_ref().as_ref()] {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let written = match value.into_inner() {
                toml::de::DeValue::String(text) => text.into_owned(),
                toml::de::DeValue::Boolean(yes) => yes.to_string(),
                toml::de::DeValue::Integer(number) => number.to_string(),
                toml::de::DeValue::Float(number) => number.to_string(),
                toml::de::DeValue::Array(items) if items.is_empty() => "[]".to_owned(),
                other => panic!("{other:?}"),
            };
            assert_eq!(shown, written, "{section:?} {key:?}");
        }
    }
}
