//! A plugin's description of itself, and its validation.

use std::collections::BTreeSet;
use std::ops::Not;

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{CapabilityKey, NameError, check_name};

/// The most capabilities one plugin may offer.
const MAX_CAPABILITIES: usize = 256;
/// The most routes or media types of one capability.
const MAX_ITEMS: usize = 64;
/// The longest one-line text, in bytes.
const MAX_LINE: usize = 1024;
/// The maximum length of a version, in bytes: semantic versions have none.
const MAX_VERSION: usize = 128;
/// The maximum number of routes of all capabilities together.
const MAX_ROUTES: usize = 256;
/// The maximum size of all texts together, in bytes, without the configuration schema: events, status and
/// errors repeat them.
const MAX_TEXT: usize = 64 * 1024;
/// The longest configuration schema, in bytes of JSON text.
const MAX_SCHEMA: usize = 256 * 1024;

/// A plugin's description of itself, before it is configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The plugin's name; see [`check_name`].
    pub name: String,
    /// Its semantic version.
    pub version: Version,
    /// One line for people.
    #[serde(default)]
    pub description: String,
    /// The capabilities that it offers. Calls name a capability by its index in this list.
    pub capabilities: Vec<CapabilityDescription>,
    /// The JSON Schema (draft 2020-12) of its configuration.
    #[serde(default)]
    pub config_schema: Option<Value>,
}

/// A capability that a plugin offers, under a kind and a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilityDescription {
    /// The typed interface: `codec`, `handler`, or one that the application defines.
    pub kind: String,
    /// The name that callers use.
    pub name: String,
    /// One line for people.
    #[serde(default)]
    pub description: String,
    /// For codecs: media types, the preferred one first.
    #[serde(default)]
    pub media_types: Vec<String>,
    /// For handlers: the routes it suggests.
    #[serde(default)]
    pub routes: Vec<RouteDescription>,
    /// For handlers that are linked into the program: whether a call always returns soon, without waiting
    /// for anything, so that it may run on a thread that serves sockets.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub nonblocking: bool,
}

/// An HTTP route that a handler suggests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteDescription {
    /// Upper-case methods; empty means every method.
    #[serde(default)]
    pub methods: Vec<String>,
    /// The pattern, for instance `/hello/{name}`.
    pub path: String,
}

/// A description that the host cannot accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptionError {
    /// A name breaks the rule.
    #[error("{item}: {source}")]
    Name {
        /// The item whose name it is.
        item: String,
        /// The rule, and what was found.
        source: NameError,
    },
    /// The version is not semantic, or too long.
    #[error(
        "version: expected `major.minor.patch` (semver.org) of at most 128 bytes, found {found:?}"
    )]
    Version {
        /// What was found.
        found: String,
    },
    /// The configuration schema is not JSON.
    #[error("config schema: expected JSON text of at most 256 KiB: {message}")]
    Schema {
        /// The message of the JSON parser.
        message: String,
    },
    /// A list or a text is longer than allowed, or a list is empty.
    #[error("{item}: expected {expected}, found {found}")]
    Size {
        /// The list or text.
        item: String,
        /// The bound.
        expected: &'static str,
        /// The length.
        found: usize,
    },
    /// Two capabilities have the same kind and name.
    #[error("capability {key} is described twice")]
    Twice {
        /// The kind and name.
        key: String,
    },
    /// A route or media type is malformed.
    #[error("{item}: expected {expected}, found {found:?}")]
    Malformed {
        /// The route or media type.
        item: String,
        /// The expected form.
        expected: &'static str,
        /// What was found.
        found: String,
    },
}

impl Description {
    /// The keys of its capabilities, in order.
    pub fn keys(&self) -> impl Iterator<Item = CapabilityKey> {
        self.capabilities.iter().map(|it| CapabilityKey::new(&*it.kind, &*it.name))
    }

    /// Parses the version of a plugin.
    ///
    /// # Errors
    ///
    /// Returns [`DescriptionError::Version`] with what was found.
    pub fn parse_version(version: &str) -> Result<Version, DescriptionError> {
        let error = || DescriptionError::Version { found: version.chars().take(80).collect() };
        if version.len() > MAX_VERSION {
            return Err(error());
        }
        Version::parse(version).map_err(|_| error())
    }

    /// Parses the configuration schema of a plugin.
    ///
    /// # Errors
    ///
    /// Returns [`DescriptionError::Schema`] if it is too long or not JSON.
    pub fn parse_schema(text: &str) -> Result<Value, DescriptionError> {
        if text.len() > MAX_SCHEMA {
            return Err(DescriptionError::Schema {
                message: format!("found {} bytes", text.len()),
            });
        }
        serde_json::from_str(text)
            .map_err(|error| DescriptionError::Schema { message: error.to_string() })
    }

    /// Checks names, sizes, duplicates and routes. A description is untrusted input.
    ///
    /// # Errors
    ///
    /// Returns the first item that breaks a rule, with what was expected and found.
    pub fn check(&self) -> Result<(), DescriptionError> {
        name("plugin name", &self.name)?;
        Self::parse_version(&self.version.to_string())?;
        line("description", &self.description)?;
        bounded("capabilities", self.capabilities.len(), 1..=MAX_CAPABILITIES, "1 to 256")?;
        let mut seen = BTreeSet::new();
        for (index, capability) in self.capabilities.iter().enumerate() {
            capability.check(index)?;
            if !seen.insert((&capability.kind, &capability.name)) {
                return Err(DescriptionError::Twice {
                    key: format!("{}:{}", capability.kind, capability.name),
                });
            }
        }
        let routes = self.capabilities.iter().map(|it| it.routes.len()).sum();
        bounded("routes", routes, 0..=MAX_ROUTES, "at most 256 of all capabilities")?;
        let text = self.capabilities.iter().map(CapabilityDescription::text).sum();
        bounded("text", text, 0..=MAX_TEXT, "at most 64 KiB of all capabilities")
    }
}

impl CapabilityDescription {
    /// The size of all its texts, in bytes.
    fn text(&self) -> usize {
        let routes = self.routes.iter().flat_map(|it| it.methods.iter().chain([&it.path]));
        let texts = [&self.kind, &self.name, &self.description];
        texts.into_iter().chain(&self.media_types).chain(routes).map(String::len).sum()
    }

    fn check(&self, index: usize) -> Result<(), DescriptionError> {
        let item = |part: &str| format!("capability {index}: {part}");
        name(&item("kind"), &self.kind)?;
        name(&item("name"), &self.name)?;
        line(&item("description"), &self.description)?;
        bounded(&item("media types"), self.media_types.len(), 0..=MAX_ITEMS, "at most 64")?;
        bounded(&item("routes"), self.routes.len(), 0..=MAX_ITEMS, "at most 64")?;
        for media_type in &self.media_types {
            check_media_type(&item("media type"), media_type)?;
        }
        for route in &self.routes {
            check_route(&item("route"), route)?;
        }
        Ok(())
    }
}

fn name(item: &str, name: &str) -> Result<(), DescriptionError> {
    check_name(name).map_err(|source| DescriptionError::Name { item: item.to_owned(), source })
}

fn line(item: &str, text: &str) -> Result<(), DescriptionError> {
    bounded(item, text.len(), 0..=MAX_LINE, "at most 1024 bytes")?;
    if text.chars().any(char::is_control) {
        return Err(DescriptionError::Malformed {
            item: item.to_owned(),
            expected: "one line without control characters",
            found: text.chars().take(80).collect(),
        });
    }
    Ok(())
}

fn bounded(
    item: &str,
    found: usize,
    range: std::ops::RangeInclusive<usize>,
    expected: &'static str,
) -> Result<(), DescriptionError> {
    if range.contains(&found) {
        return Ok(());
    }
    Err(DescriptionError::Size { item: item.to_owned(), expected, found })
}

/// Whether the text is a token (RFC 9110, section 5.6.2).
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn check_media_type(item: &str, media_type: &str) -> Result<(), DescriptionError> {
    let whole =
        media_type.split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub));
    if whole && media_type.len() <= 128 && !media_type.contains('*') {
        return Ok(());
    }
    Err(DescriptionError::Malformed {
        item: item.to_owned(),
        expected: "type/subtype without parameters",
        found: media_type.chars().take(80).collect(),
    })
}

fn check_route(item: &str, route: &RouteDescription) -> Result<(), DescriptionError> {
    bounded(item, route.path.len(), 1..=MAX_LINE, "a path of at most 1024 bytes")?;
    bounded(item, route.methods.len(), 0..=16, "at most 16 methods")?;
    let malformed = |expected, found: &str| DescriptionError::Malformed {
        item: item.to_owned(),
        expected,
        found: found.chars().take(80).collect(),
    };
    if !route.path.starts_with('/') || route.path.chars().any(char::is_control) {
        return Err(malformed("a path that begins with `/`", &route.path));
    }
    for method in &route.methods {
        if !is_token(method) || method.len() > 32 || method.bytes().any(|b| b.is_ascii_lowercase())
        {
            return Err(malformed("an upper-case HTTP method", method));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> Description {
        Description {
            name: "json".into(),
            version: Version::new(1, 2, 3),
            description: "JSON".into(),
            capabilities: vec![CapabilityDescription {
                kind: "codec".into(),
                name: "json".into(),
                description: String::new(),
                media_types: vec!["application/json".into()],
                routes: vec![RouteDescription {
                    methods: vec!["GET".into()],
                    path: "/a/{b}".into(),
                }],
                nonblocking: false,
            }],
            config_schema: None,
        }
    }

    fn refused(change: impl FnOnce(&mut Description)) -> String {
        let mut description = description();
        change(&mut description);
        description.check().expect_err("must be refused").to_string()
    }

    fn refusal(description: &Description) -> String {
        description.check().expect_err("must be refused").to_string()
    }

    #[test]
    fn texts_are_bounded_one_by_one_and_together() {
        let long = format!("1.2.3-{}", "a".repeat(MAX_VERSION));
        assert!(Description::parse_version(&long).is_err());
        let mut wrong = description();
        wrong.version = Version::parse(&long).unwrap();
        assert!(refusal(&wrong).starts_with("version: expected"), "{}", refusal(&wrong));
        assert!(refusal(&wrong).len() < 300);
        let many = |capabilities: usize, routes: usize, path: &str| {
            let route = |at| RouteDescription { methods: vec![], path: format!("/{at}{path}") };
            let mut many = description();
            let one = many.capabilities.remove(0);
            many.capabilities.extend((0..capabilities).map(|at| CapabilityDescription {
                name: format!("c{at}"),
                routes: (0..routes).map(route).collect(),
                ..one.clone()
            }));
            many
        };
        assert_eq!(many(4, 64, "").check(), Ok(()));
        assert_eq!(
            refusal(&many(5, 64, "")),
            "routes: expected at most 256 of all capabilities, found 320"
        );
        let path = "a".repeat(1000);
        assert_eq!(many(1, 60, &path).check(), Ok(()));
        assert!(refusal(&many(2, 60, &path)).starts_with("text: expected at most 64 KiB"));
    }

    #[test]
    fn a_valid_description_is_accepted() {
        assert_eq!(description().check(), Ok(()));
    }

    #[test]
    fn an_error_names_the_item_that_breaks_a_rule() {
        assert!(refused(|d| d.name = "A".into()).starts_with("plugin name: expected a name"));
        assert!(
            refused(|d| d.capabilities.clear())
                .starts_with("capabilities: expected 1 to 256, found 0")
        );
        assert!(refused(|d| d.description = "a\nb".into()).contains("one line"));
        assert!(
            refused(|d| d.capabilities[0].media_types[0] = "json".into()).contains("type/subtype")
        );
        assert!(
            refused(|d| d.capabilities[0].routes[0].path = "x".into()).contains("begins with `/`")
        );
        assert!(
            refused(|d| d.capabilities[0].routes[0].methods[0] = "get".into())
                .contains("upper-case")
        );
        let twice = refused(|d| d.capabilities.push(d.capabilities[0].clone()));
        assert_eq!(twice, "capability codec:json is described twice");
    }

    #[test]
    fn invalid_versions_and_schemas_are_refused() {
        assert!(Description::parse_version("1.0").is_err());
        assert!(Description::parse_schema("{").is_err());
        assert!(Description::parse_schema(&" ".repeat(MAX_SCHEMA + 1)).is_err());
    }
}
