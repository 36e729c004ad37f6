//! The error of this crate.

use std::fmt;

use crate::Path;

/// The reason why bytes are not a document, why a value has no document, or why a document is not a
/// valid value of a type.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    message: Box<str>,
    /// Where in the document a value was expected, such as `orders[3].total`; empty for the document
    /// itself, and where it is not known.
    path: String,
}

/// The longest path in a message, in bytes. The rest of it is left out.
const MAX_PATH: usize = 200;

impl Error {
    /// Bytes that are not a CBOR item; `at` is the offset of the problem.
    #[cold]
    pub(crate) fn malformed(at: usize, message: impl fmt::Display) -> Self {
        Self::new(format_args!("malformed CBOR at byte {at}: {message}"))
    }

    #[cold]
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string().into(), path: String::new() }
    }

    /// The error of a value at this step, for the value that holds it.
    #[cold]
    pub(crate) fn within(mut self, step: &Path<'_>) -> Self {
        if self.path.len() > MAX_PATH {
            return self;
        }
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{step}{dot}{}", self.path);
        self
    }

    /// Where in the document a value was expected, such as `orders[3].total`; empty for the document
    /// itself, and where it is not known.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A map with equal keys; `at` is the offset of the second one.
    #[cold]
    pub(crate) fn duplicate(at: usize, key: impl fmt::Display) -> Self {
        Self::new(format_args!("duplicate key {key} at byte {at}"))
    }

    /// Too many levels of nesting.
    #[cold]
    pub(crate) fn too_deep() -> Self {
        Self::new(TooDeep(crate::MAX_DEPTH))
    }
}

/// The message for more than this number of levels.
pub(crate) struct TooDeep(pub(crate) usize);

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nested deeper than {} levels", self.0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?})", self.to_string())
    }
}

impl std::error::Error for Error {}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::Document;

    #[test]
    fn an_error_says_where_the_value_is() {
        type Numbers = BTreeMap<String, Vec<BTreeMap<String, u8>>>;
        let orders = BTreeMap::from([("orders", vec![BTreeMap::from([("a total", "many")])])]);
        let document = Document::from_value(&orders).unwrap();
        let error = document.to_value::<Numbers>().unwrap_err();
        assert_eq!(error.path(), r#"orders[0]["a total"]"#);
        let expected = r#"orders[0]["a total"]: invalid type: string "many", expected u8"#;
        assert_eq!(error.to_string(), expected);
        let error = document.to_value::<u8>().unwrap_err();
        assert_eq!((error.path(), error.to_string().contains("expected u8")), ("", true));
    }
}
