//! The file of a directory's tokens, whose roles are grants: `web register:web-*,read:* SHA256`.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Extensions, Method};
use plugbay_discovery::{Access, Bearer, Denied, Grants};

use super::rates::Rates;
use crate::access::{Caller, Permission, Tokens};
use crate::listener::Client;

impl Permission for Grants {
    const EXPECTED: &'static str = "grants such as read:*,register:web-*,admin:db";
}

/// The tokens of a directory, and how often each may ask.
pub(super) struct DirectoryTokens {
    pub(super) tokens: Arc<Tokens<Grants>>,
    pub(super) rates: Rates,
}

impl Access for DirectoryTokens {
    fn authenticate(&self, token: Option<&str>, extensions: &Extensions) -> Result<Bearer, Denied> {
        let token = token.ok_or(Denied::Missing)?;
        if let Some(Caller { name, role, .. }) = self.tokens.find(token) {
            return Ok(Bearer { name: name.as_ref().to_owned(), grants: role });
        }
        let client = extensions.get().copied().unwrap_or(Client::Unknown);
        let denied = if self.tokens.attempts.is_one_too_many(client) {
            Denied::TooMany
        } else {
            Denied::Wrong
        };
        Err(denied)
    }

    fn count(
        &self,
        bearer: &Bearer,
        method: &Method,
        extensions: &Extensions,
    ) -> Result<(), Duration> {
        self.rates.count(&bearer.name, method, extensions)
    }

    fn is_in_force(&self, Bearer { name, grants }: &Bearer) -> bool {
        let caller = Caller { name: name.as_str().into(), role: grants.clone(), open: false };
        self.tokens.is_in_force(&caller)
    }
}
