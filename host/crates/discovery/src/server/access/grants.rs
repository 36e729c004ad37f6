//! Grants: rights to services.

use std::fmt;
use std::str::FromStr;

use crate::wire::ServiceName;

/// What one may do to a service. Each right includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Look it up and watch it.
    Read,
    /// Register endpoints of it, and renew and remove these.
    Register,
    /// Renew and remove the endpoints that others registered.
    Admin,
}

impl Right {
    const ALL: [Self; 3] = [Self::Read, Self::Register, Self::Admin];

    /// The word of the token file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Register => "register",
            Self::Admin => "admin",
        }
    }
}

/// Which services a grant is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Services {
    /// `*` (an empty prefix) or `web-*`.
    Prefix(String),
    /// `web`.
    One(ServiceName),
}

/// The rights of a token, as text: `read:*,register:web-*,admin:db`. What it does not name it does not
/// grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants(Vec<(Right, Services)>);

impl Grants {
    /// Whether a right to a service is granted.
    #[must_use]
    pub fn allows(&self, right: Right, service: &str) -> bool {
        self.0.iter().any(|(granted, services)| {
            *granted >= right
                && match services {
                    Services::Prefix(prefix) => service.starts_with(prefix.as_str()),
                    Services::One(name) => name.as_str() == service,
                }
        })
    }

    /// Whether a right to all services is granted.
    #[must_use]
    pub fn allows_all(&self, right: Right) -> bool {
        let all = |services: &Services| matches!(services, Services::Prefix(it) if it.is_empty());
        self.0.iter().any(|(granted, services)| *granted >= right && all(services))
    }
}

/// A text that is no grants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected grants such as read:*,register:web-*,admin:db")]
pub struct GrantsError;

impl FromStr for Grants {
    type Err = GrantsError;

    fn from_str(text: &str) -> Result<Self, GrantsError> {
        let grant = |text: &str| {
            let (right, services) = text.split_once(':')?;
            let right = Right::ALL.into_iter().find(|it| it.as_str() == right)?;
            let services = match services.strip_suffix('*') {
                // The beginning of a label: a letter or a digit, and then hyphens too.
                Some(prefix) => {
                    let filled = format!("{prefix}x");
                    filled.parse::<ServiceName>().ok()?;
                    Services::Prefix(prefix.to_owned())
                }
                None => Services::One(services.parse().ok()?),
            };
            Some((right, services))
        };
        let grants: Option<Vec<_>> = text.split(',').map(grant).collect();
        grants.map(Self).ok_or(GrantsError)
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (right, services)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match services {
                Services::Prefix(prefix) => write!(f, "{comma}{}:{prefix}*", right.as_str())?,
                Services::One(name) => write!(f, "{comma}{}:{name}", right.as_str())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_for_one_name_does_not_reach_another() {
        let grants: Grants = "read:*,register:web-*,admin:db".parse().unwrap();
        assert!(grants.allows(Right::Read, "any"));
        assert!(grants.allows(Right::Register, "web-1") && !grants.allows(Right::Register, "web"));
        assert!(!grants.allows(Right::Admin, "web-1"));
        assert!(grants.allows(Right::Admin, "db") && !grants.allows(Right::Admin, "db-2"));
        assert!(grants.allows_all(Right::Read) && !grants.allows_all(Right::Register));
        assert_eq!(grants.to_string().parse(), Ok(grants));
    }

    #[test]
    fn what_is_no_grant_is_refused() {
        for bad in
            ["", "read", "read:", "write:*", "read:*,", "read:We*", "read:-*", "read:a*b", "viewer"]
        {
            assert_eq!(bad.parse::<Grants>(), Err(GrantsError), "{bad}");
        }
    }
}
