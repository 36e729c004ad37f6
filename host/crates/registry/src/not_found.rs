//! The answer to a lookup that misses.

use std::borrow::Cow;
use std::fmt;

use crate::names::{Hint, Plain, nearest};

/// No entry has this name; the error knows which names there are.
///
/// ```
/// use plugbay_registry::Registry;
///
/// let codecs = Registry::new("codec");
/// codecs.register("json", 1)?;
/// codecs.register("yaml", 2)?;
/// let missed = codecs.get("jsn").unwrap_err();
/// assert_eq!(missed.to_string(), r#"no codec "jsn"; known: json, yaml; did you mean "json"?"#);
/// # Ok::<(), plugbay_registry::RegisterError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotFound {
    /// What was looked for, as a noun: `codec`.
    pub what: Cow<'static, str>,
    /// The name that was asked for, in full; the message shortens and escapes it.
    pub name: String,
    /// Every name there is, sorted; the message prints the first few.
    pub known: Vec<String>,
    /// The name that was probably meant.
    pub nearest: Option<String>,
    /// The name is there, but its entry was closed without being removed, so it gives no lease. The
    /// registry itself always removes an entry before it closes it.
    pub closed: bool,
}

impl NotFound {
    pub(crate) fn new<'a>(
        what: Cow<'static, str>,
        name: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> Self {
        Self {
            what,
            name: name.to_owned(),
            nearest: nearest(name, known.clone()).map(str::to_owned),
            known: known.map(str::to_owned).collect(),
            closed: false,
        }
    }

    pub(crate) fn into_closed(mut self) -> Self {
        self.closed = true;
        self.nearest = None;
        self
    }

    /// A stable word for logs and metrics: `not-found`, or `closed`.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        if self.closed { "closed" } else { "not-found" }
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = if self.closed { ("", " is closed") } else { ("no ", "") };
        let hint = Hint { known: &self.known, nearest: self.nearest.as_deref() };
        write!(f, "{before}{} \"{}\"{after}{hint}", self.what, Plain(&self.name))
    }
}

impl std::error::Error for NotFound {}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(name: &str, known: &'static [&'static str]) -> NotFound {
        NotFound::new(Cow::Borrowed("codec"), name, known.iter().copied())
    }

    #[test]
    fn an_empty_registry_says_so() {
        assert_eq!(missed("json", &[]).to_string(), r#"no codec "json"; known: none"#);
    }

    #[test]
    fn the_fields_hold_it_all_and_the_message_is_short() {
        let name = "x".repeat(5_000);
        let error = missed(&name, &["json", "yaml"]);
        assert_eq!((error.name.len(), error.known.len()), (5_000, 2));
        assert_eq!(error.nearest, None);
        assert!(error.to_string().len() < 200);
    }

    #[test]
    fn a_closed_entry_is_told_apart_from_a_missing_one() {
        let error = missed("json", &["json"]).into_closed();
        assert_eq!(error.to_string(), r#"codec "json" is closed; known: json"#);
        assert_eq!(error.reason(), "closed");
    }
}
