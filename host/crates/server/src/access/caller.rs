//! Who makes a request, and what a role may do.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::http::Method;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a token may do, as one word of its line in the file.
pub trait Permission:
    FromStr + fmt::Display + fmt::Debug + Clone + PartialEq + Send + Sync + 'static
{
    /// What is expected in its place, for errors.
    const EXPECTED: &'static str;
}

impl Permission for Role {
    const EXPECTED: &'static str = "the role viewer or operator";
}

/// What the bearer of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// Sees everything but CPU profiles, and changes nothing.
    Viewer,
    /// Sees and does everything.
    Operator,
}

impl Role {
    /// Whether a request with this method is allowed. Methods that change something are those that are not safe
    /// (RFC 9110, section 9.2.1).
    pub(crate) fn allows(self, method: &Method) -> bool {
        self == Self::Operator || method.is_safe()
    }
}

/// A text that is no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the role viewer or operator")]
pub struct RoleError;

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "operator" => Ok(Self::Operator),
            _ => Err(RoleError),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        })
    }
}

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller<R = Role> {
    /// The name of the token, or `anonymous`.
    pub name: Arc<str>,
    /// What it may do.
    pub role: R,
    /// Whether the plane needs no token.
    pub open: bool,
}

impl Caller {
    /// Who makes a request to a plane that needs no token.
    pub(crate) fn anonymous() -> Self {
        Self { name: "anonymous".into(), role: Role::Operator, open: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_may_only_read() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(Role::Viewer.allows(&method) && Role::Operator.allows(&method));
        }
        let own = Method::from_bytes(b"PURGE").unwrap();
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, own] {
            assert!(!Role::Viewer.allows(&method) && Role::Operator.allows(&method));
        }
    }
}
