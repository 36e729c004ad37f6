//! Warnings about the configuration.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of the configuration that has no effect, although nothing is refused for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ConfigWarning {
    /// Which part: a section, such as `plugins.hello`, or a route, such as `routes "/hello"`.
    pub key: String,
    /// What was expected and found, and the nearest name.
    pub message: String,
}

impl ConfigWarning {
    /// A warning about this part of the configuration.
    #[must_use]
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}
