//! What is wrong with a request: one reason for each field.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most characters of a client's text that a message repeats.
const MAX_REPEATED: usize = 60;

/// One wrong field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// The path of the field, such as `check.http`. It is empty for the whole document.
    pub field: String,
    /// What was expected, and what was found.
    pub detail: String,
}

/// A request with wrong fields. All of them are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Invalid(pub Vec<FieldError>);

impl Invalid {
    /// An error of one field.
    #[must_use]
    pub fn of(field: &str, detail: impl Into<String>) -> Self {
        let mut invalid = Self::default();
        invalid.add(field, detail);
        invalid
    }

    pub(crate) fn add(&mut self, field: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), detail: detail.into() });
    }

    /// Keeps a value, or its error under the name of its field.
    pub(crate) fn keep<T, E: fmt::Display>(
        &mut self,
        field: &str,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.add(field, error.to_string())).ok()
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, FieldError { field, detail }) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "; " };
            let colon = if field.is_empty() { "" } else { ": " };
            write!(f, "{comma}{field}{colon}{detail}")?;
        }
        Ok(())
    }
}

/// A client's text for a message: quoted, escaped, and not longer than 60 characters.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_REPEATED) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
