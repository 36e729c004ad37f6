//! Who changes the directory.

/// Who asks for a change. Only the owner of an endpoint may renew, change or remove it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// The name of the token, if tokens are in use. It becomes the owner of what it registers.
    pub name: Option<String>,
    /// Whether it may change what others own.
    pub admin: bool,
}

impl Actor {
    /// The actor of a directory without tokens: everybody, and so with all rights.
    #[must_use]
    pub fn anyone() -> Self {
        Self { name: None, admin: true }
    }

    /// The bearer of a token, who may change what was registered with it.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), admin: false }
    }

    pub(super) fn owns(&self, owner: Option<&str>) -> bool {
        self.admin || owner.is_none() || owner == self.name.as_deref()
    }
}
