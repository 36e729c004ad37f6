//! Lays variables and flags over the file.

use plugbay_registry::nearest;
use toml::de::{DeTable, DeValue};

use super::environment::{self, Sections};
use super::tree::{self, Entry, Node, Table, Value};
use crate::config::problem::error::ConfigSource;
use crate::config::problem::render;
use crate::config::problem::report::Report;
use crate::config::problem::source::{Place, Source, Sources};

/// A variable or a flag: the key that it sets, or why it is refused.
pub(crate) struct Pair {
    place: Place,
    target: Result<Vec<String>, Refusal>,
    text: String,
}

struct Refusal {
    /// Whether the name does not exist, rather than being malformed.
    unknown: bool,
    message: String,
    hint: String,
}

/// The variables of Plugbay, each added to `sources`. They are sorted, so that the result does not
/// depend on the order of the environment.
pub(crate) fn variables(
    env: &[(String, String)],
    sections: &Sections,
    sources: &mut Sources,
) -> Vec<Pair> {
    let mut ours: Vec<&(String, String)> = env
        .iter()
        .filter(|(name, value)| {
            name.starts_with(environment::PREFIX)
                && !environment::NOT_SETTINGS.contains(&name.as_str())
                && !environment::describes_a_service(name, value)
        })
        .collect();
    ours.sort();
    let known: Vec<_> = environment::variables(sections).collect();
    ours.into_iter()
        .map(|(name, value)| Pair {
            place: add(sources, ConfigSource::Environment(name.clone())),
            target: known
                .iter()
                .find(|(variable, _, _)| variable == name)
                .map(|(_, section, key)| vec![(*section).to_owned(), (*key).to_owned()])
                .ok_or_else(|| {
                    unknown_variable(name, known.iter().map(|(name, _, _)| name.as_str()))
                }),
            text: value.clone(),
        })
        .collect()
}

fn unknown_variable<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Refusal {
    let near = nearest(name, known.chain(environment::NOT_SETTINGS));
    let message = match near {
        Some(near) => format!("unknown variable; did you mean {near}?"),
        None => "unknown variable".to_owned(),
    };
    let in_file =
        ["PLUGBAY_PLUGINS", "PLUGBAY_ROUTES", "PLUGBAY_CAPABILITIES", "PLUGBAY_MIGRATIONS"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
    let hint = if in_file {
        "plugins, capabilities, routes and migrations have no variables: write them in the file, or set the first two by a flag"
            .to_owned()
    } else {
        format!(
            "variables are {prefix}SECTION_KEY for the keys of [host], [server], [admin] and [defaults], \
             and {}; unset what is not meant for plugbay",
            environment::NOT_SETTINGS.join(", "),
            prefix = environment::PREFIX,
        )
    };
    Refusal { unknown: true, message, hint }
}

pub(crate) fn flags(flags: &[(String, String)], sources: &mut Sources) -> Vec<Pair> {
    flags
        .iter()
        .map(|(key, value)| Pair {
            place: add(sources, ConfigSource::Flag(key.clone())),
            target: dotted(key),
            text: value.clone(),
        })
        .collect()
}

fn add(sources: &mut Sources, origin: ConfigSource) -> Place {
    sources.0.push(Source { origin, text: String::new() });
    Place::new(sources.0.len() - 1, 0..0)
}

/// The parts of a dotted key, by the rules of the file itself.
fn dotted(key: &str) -> Result<Vec<String>, Refusal> {
    let refusal = || Refusal {
        unknown: false,
        message: "expected a dotted key such as server.listen".to_owned(),
        hint: "a part with a dot in it is quoted: plugins.\"a.b\".enabled".to_owned(),
    };
    // These characters could end the key, and the rest would be parsed as something else.
    if key.contains(['=', '#', '\n', '\r', '[']) {
        return Err(refusal());
    }
    let document = format!("{key} = 0");
    let table = DeTable::parse(&document).map_err(|_| refusal())?;
    let mut parts = Vec::new();
    let mut value = DeValue::Table(table.into_inner());
    while let DeValue::Table(table) = value {
        let (part, next) = table.into_iter().next().ok_or_else(refusal)?;
        parts.push(part.into_inner().into_owned());
        value = next.into_inner();
    }
    Ok(parts)
}

/// Puts every pair into the tree; later pairs win.
pub(crate) fn apply(pairs: Vec<Pair>, root: &mut Table, report: &mut Report<'_>) {
    for Pair { place, target, text } in pairs {
        match target {
            Ok(parts) => put(&parts, text, &place, root, report),
            Err(Refusal { unknown: true, message, hint }) => {
                report.unknown_key(&place, "", message, Some(hint));
            }
            Err(Refusal { message, hint, .. }) => report.value(&place, "", message, Some(hint)),
        }
    }
}

fn put(parts: &[String], text: String, place: &Place, root: &mut Table, report: &mut Report<'_>) {
    let Some((last, parents)) = parts.split_last() else {
        return;
    };
    let mut table = root;
    let mut path = String::new();
    for part in parents {
        path = render::join_key(&path, part);
        let entry = table.entry(part.clone()).or_insert_with(|| Entry {
            key_at: place.clone(),
            node: Node { at: place.clone(), value: Value::Table(Table::new()) },
        });
        match &mut entry.node.value {
            Value::Table(next) => table = next,
            other => {
                let found = tree::found(&path, other);
                let message = format!("expected a table at {path}, found {found}");
                let hint = format!("set {path} as a whole, or change it in the file");
                report.wrong_type(place, &path, message, Some(hint));
                return;
            }
        }
    }
    let node = Node { at: place.clone(), value: Value::Text(text) };
    table.insert(last.clone(), Entry { key_at: place.clone(), node });
}
