//! Parts of a configuration that have no effect: sections of no plugin, routes without a handler, and
//! routes that no request reaches.

use std::collections::BTreeSet;

use plugbay_core::Kind as _;
use plugbay_core::handler::Handler;
use plugbay_registry::nearest;

use crate::report::ConfigWarning;
use crate::set::{Generation, RouteOrigin};

/// The most names that a warning lists.
const MAX_NAMES: usize = 10;

/// The warnings about a generation's configuration, sorted. `known` are the names of plugins that were
/// found, whether they run or not; `reserved` are the paths that the application serves itself.
pub(crate) fn warnings(
    generation: &Generation,
    known: &BTreeSet<String>,
    reserved: &[String],
) -> Vec<ConfigWarning> {
    let mut warnings: BTreeSet<ConfigWarning> = sections(generation, known).collect();
    let handlers = generation.names(Handler::NAME);
    for route in generation.router.routes() {
        let pattern = &route.pattern;
        let key = match &route.value.origin {
            RouteOrigin::Config => format!("routes {pattern:?}"),
            RouteOrigin::Plugin(name) => format!("plugin {name}, route {pattern:?}"),
        };
        if reserved.iter().any(|reserved| covers(reserved, pattern)) {
            let message = "expected a path that requests can reach, found one that the host serves \
                           itself; choose another path";
            warnings.insert(ConfigWarning::new(key.clone(), message));
        }
        let handler = route.value.handler();
        if route.value.origin == RouteOrigin::Config && !handlers.iter().any(|it| it == handler) {
            let handlers = handlers.iter().map(String::as_str);
            let message = absent("handler", handler, handlers);
            warnings.insert(ConfigWarning::new(key, message));
        }
    }
    warnings.into_iter().collect()
}

/// The sections that name no plugin. One with `artifact` is refused elsewhere if there is no such file.
fn sections(
    generation: &Generation,
    known: &BTreeSet<String>,
) -> impl Iterator<Item = ConfigWarning> {
    // What an operator switched is no section of the file.
    let sections = generation.base.plugins.iter();
    sections
        .filter(|(name, settings)| {
            settings.artifact.is_none()
                && !known.contains(*name)
                && !generation.plugins.contains(name)
        })
        .map(|(name, _)| {
            let running = generation.plugins.iter().map(|(name, _)| name);
            let names: BTreeSet<&str> = known.iter().map(String::as_str).chain(running).collect();
            ConfigWarning::new(format!("plugins.{name}"), absent("plugin", name, names))
        })
}

fn absent<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let rest = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => format!("there is no {what}"),
        None => {
            let more = if known.len() > MAX_NAMES { ", …" } else { "" };
            format!("known: {}{more}", known[..known.len().min(MAX_NAMES)].join(", "))
        }
    };
    format!("expected the name of a {what}, found {name:?}; {rest}")
}

/// Whether all paths of `pattern` are paths of `reserved`, whose parameters are whole segments.
fn covers(reserved: &str, pattern: &str) -> bool {
    let is_parameter = |segment: &str| segment.starts_with('{') && segment.ends_with('}');
    let covered = |(reserved, segment): (&str, &str)| {
        (is_parameter(reserved) && !segment.starts_with("{*")) || reserved == segment
    };
    let (reserved, pattern) = (reserved.split('/'), pattern.split('/'));
    reserved.clone().count() == pattern.clone().count() && reserved.zip(pattern).all(covered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_path_covers_only_paths_that_it_matches() {
        let reserved = "/v1/codecs/{name}/encode";
        for pattern in ["/v1/codecs/json/encode", "/v1/codecs/{any}/encode"] {
            assert!(covers(reserved, pattern), "{pattern}");
        }
        for pattern in [
            "/v1/codecs/json/check",
            "/v1/codecs/{name}/{verb}",
            "/v1/codecs/json/encode/",
            "/v1/codecs",
            "/v1/{*rest}",
            "/v1/codecs/{*rest}/encode",
        ] {
            assert!(!covers(reserved, pattern), "{pattern}");
        }
    }

    #[test]
    fn an_absent_name_is_told_with_the_nearest_or_a_few() {
        let absent = |known: &[&str]| absent("plugin", "helo", known.iter().copied());
        let start = "expected the name of a plugin, found \"helo\"; ";
        assert_eq!(absent(&["hello", "json"]), format!("{start}did you mean hello?"));
        assert_eq!(absent(&["csv", "json"]), format!("{start}known: csv, json"));
        assert_eq!(absent(&[]), format!("{start}there is no plugin"));
        let many = absent(&["json"; MAX_NAMES + 1]);
        assert!(many.ends_with("json, …") && many.matches("json").count() == MAX_NAMES, "{many}");
    }
}
