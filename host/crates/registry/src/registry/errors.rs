//! Why a registry refused to change.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

use crate::names::{Hint, Plain};

/// A change that a registry refused. Nothing has changed then. There is no kind for a missing
/// value: Rust has no null entry. A `Registry<Arc<dyn Codec>>` takes codecs and nothing else, and
/// in a registry of `Option`s `None` is a value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegisterError {
    /// Why.
    pub kind: RegisterErrorKind,
    /// What the registry holds, as a noun: `codec`.
    pub what: Cow<'static, str>,
    /// The name that the change was about; empty if it was about the whole set.
    pub name: String,
    /// The names there were, sorted.
    pub known: Vec<String>,
    /// The name that was probably meant, if the change needed one that is there.
    pub nearest: Option<String>,
}

/// The reasons in a [`RegisterError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RegisterErrorKind {
    /// The name is empty.
    EmptyName,
    /// The name is taken; to replace its entry, use `replace`.
    Duplicate,
    /// The registry is frozen.
    Frozen,
    /// The name must be there, and is not.
    Missing,
    /// The entry was closed already, and closing is for good.
    Closed,
}

impl RegisterErrorKind {
    /// A stable word for logs and metrics.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::EmptyName => "empty-name",
            Self::Duplicate => "duplicate",
            Self::Frozen => "frozen",
            Self::Missing => "missing",
            Self::Closed => "closed",
        }
    }
}

impl RegisterError {
    /// A stable word for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.kind.reason()
    }
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = &self.what;
        let name = Plain(&self.name);
        let hint = Hint { known: &self.known, nearest: self.nearest.as_deref() };
        match self.kind {
            RegisterErrorKind::EmptyName => write!(f, "the name of a {what} is empty{hint}"),
            RegisterErrorKind::Duplicate => {
                write!(f, "{what} \"{name}\" is registered already{hint}")
            }
            RegisterErrorKind::Frozen if self.name.is_empty() => {
                write!(f, "the {what} registry is frozen and takes no new set{hint}")
            }
            RegisterErrorKind::Frozen => {
                write!(f, "the {what} registry is frozen, \"{name}\" stays as it is{hint}")
            }
            RegisterErrorKind::Missing => write!(f, "no {what} \"{name}\"{hint}"),
            RegisterErrorKind::Closed => {
                write!(f, "{what} \"{name}\" is closed and cannot be used again{hint}")
            }
        }
    }
}

impl std::error::Error for RegisterError {}

/// A change that runs the caller's code failed: either the registry refused the change, or that
/// code failed, and its error is returned unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChangeError<E> {
    /// The registry refused.
    #[error(transparent)]
    Refused(#[from] RegisterError),
    /// The caller's code failed.
    #[error("{0}")]
    Failed(E),
}
