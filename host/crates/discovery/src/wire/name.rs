//! Names of services.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest label of a DNS name, in bytes (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;

/// The name of a service: one DNS label (RFC 1035 as RFC 1123 relaxes it), so that every service
/// has a name in DNS. 1 to 63 lower-case letters, digits and hyphens; no hyphen first or last.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(Arc<str>);

impl ServiceName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text is a DNS label.
pub(super) fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl FromStr for ServiceName {
    type Err = String;

    /// # Errors
    ///
    /// What is expected and what was found, as text.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("expected the name of a service, found an empty one".into());
        }
        if is_label(text) && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Ok(Self(Arc::from(text)));
        }
        let found = super::invalid::shortened(text);
        Err(format!(
            "expected a DNS label: 1 to {MAX_LABEL} lower-case letters, digits and hyphens, no hyphen first or last; found {found}"
        ))
    }
}

impl TryFrom<String> for ServiceName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl Borrow<str> for ServiceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_dns_label() {
        for good in ["a", "web", "web-2", "2web", &"x".repeat(63)] {
            assert_eq!(good.parse::<ServiceName>().unwrap().as_str(), good);
        }
        for bad in ["", "-web", "web-", "Web", "a.b", "a_b", "a b", "é", "a\n", &"x".repeat(64)] {
            assert!(bad.parse::<ServiceName>().is_err(), "{bad:?}");
        }
    }
}
