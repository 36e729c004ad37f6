//! The routes that handlers suggest.

/// A route that a handler suggests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    methods: &'static [&'static str],
    path: &'static str,
}

impl Route {
    /// Requests with one of `methods` (upper case; none means any) whose path matches `path`:
    /// literal segments, `{name}` for one segment, `{*name}` for the rest.
    #[must_use]
    pub const fn new(methods: &'static [&'static str], path: &'static str) -> Self {
        Self { methods, path }
    }

    /// Its methods, upper case; empty means any.
    #[must_use]
    pub const fn methods(&self) -> &'static [&'static str] {
        self.methods
    }

    /// Its path pattern.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        self.path
    }
}
