//! Patterns: errors in a pattern, and which patterns match the same paths.

use thiserror::Error;

use super::path::normal_pattern;

/// What is wrong with a pattern, as what was expected of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PatternProblem {
    /// Another pattern matches the same paths, with other parameter names.
    #[error("a path of another shape than {with}")]
    Conflict {
        /// That pattern.
        with: String,
    },
    /// More than one parameter between two slashes.
    #[error("one parameter between two slashes")]
    Segment,
    /// A parameter without a name, or a brace without its other.
    #[error("named parameters in matching braces")]
    Parameter,
    /// Something follows `{*rest}`.
    #[error("{{*rest}} at the end of the path only")]
    CatchAll,
}

impl From<matchit::InsertError> for PatternProblem {
    fn from(error: matchit::InsertError) -> Self {
        match error {
            matchit::InsertError::Conflict { with } => Self::Conflict { with },
            matchit::InsertError::InvalidParamSegment => Self::Segment,
            matchit::InsertError::InvalidCatchAll => Self::CatchAll,
            _ => Self::Parameter,
        }
    }
}

/// Whether two patterns match the same paths, by whatever names they have for their parameters.
///
/// ```
/// use plugbay_registry::router::same_shape;
///
/// assert!(same_shape("/users/{id}", "/users/{name}"));
/// assert!(same_shape("/caf%C3%A9", "/café"));
/// assert!(!same_shape("/users/{id}", "/users/{*rest}"));
/// ```
#[must_use]
pub fn same_shape(one: &str, other: &str) -> bool {
    shape(one) == shape(other)
}

/// A pattern without the names of its parameters: equal for patterns that match the same paths.
///
/// ```
/// use plugbay_registry::router::shape;
///
/// assert_eq!(shape("/users/{id}/{*rest}"), "/users/{}/{*}");
/// ```
#[must_use]
pub fn shape(pattern: &str) -> String {
    let pattern = normal_pattern(pattern);
    let mut shape = String::with_capacity(pattern.len());
    let mut rest = pattern.chars().peekable();
    while let Some(next) = rest.next() {
        shape.push(next);
        if next == '{' && rest.next_if_eq(&'{').is_some() {
            // A brace itself, which a pattern doubles.
            shape.push('{');
        } else if next == '{' {
            let name: String = rest.by_ref().take_while(|&it| it != '}').collect();
            shape.push_str(if name.starts_with('*') { "*}" } else { "}" });
        }
    }
    shape
}
