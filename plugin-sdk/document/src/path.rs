//! Paths to values in a document, for messages.

use std::fmt;

/// A path in a document: its last step, and a reference to the steps before it.
#[derive(Clone, Copy, Debug)]
pub enum Path<'a> {
    /// The document itself.
    Root,
    /// An element of the array at the path, by its index.
    Index(&'a Path<'a>, usize),
    /// The value under a key of the map at the path.
    Key(&'a Path<'a>, &'a str),
}

/// Displayed as `orders[3].total`, with `["a key"]` for a key that is not a word, and as `the
/// document` for the root.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the document"),
            Self::Index(Self::Root, index) => write!(f, "[{index}]"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
            Self::Key(parent, key) => {
                if !matches!(parent, Self::Root) {
                    write!(f, "{parent}")?;
                }
                let word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
                match parent {
                    _ if key.is_empty() || !key.chars().all(word) => write!(f, "[{key:?}]"),
                    Self::Root => f.write_str(key),
                    _ => write!(f, ".{key}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Path::{Index, Key, Root};

    #[test]
    fn paths_read_like_code() {
        assert_eq!(Root.to_string(), "the document");
        assert_eq!(Index(&Root, 3).to_string(), "[3]");
        assert_eq!(Key(&Index(&Key(&Root, "orders"), 3), "total").to_string(), "orders[3].total");
        assert_eq!(Key(&Key(&Root, "a b"), "").to_string(), r#"["a b"][""]"#);
    }
}
