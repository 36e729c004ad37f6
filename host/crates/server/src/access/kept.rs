//! The tokens in force.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use plugbay::config::Rate;

use super::attempts::Attempts;
use super::caller::{Caller, Permission, Role};
use super::list::{TokenList, TokensError, bytes};
use crate::watched::Watched;

/// The tokens of the file, as it last was without a mistake.
pub(crate) struct Tokens<R = Role> {
    path: PathBuf,
    list: RwLock<Arc<TokenList<R>>>,
    /// What was read last, good or bad: each text is told once.
    seen: Mutex<Result<Vec<u8>, String>>,
    /// Whether the file is as the list.
    is_current: AtomicBool,
    /// Wrong tokens, by client.
    pub(crate) attempts: Attempts,
}

impl<R: Permission> Tokens<R> {
    /// Reads the file. `attempts` bounds the wrong tokens of each client.
    pub(crate) fn read(path: PathBuf, attempts: Rate) -> Result<Self, TokensError> {
        let (list, bytes) = TokenList::read(&path)?;
        if list.len() == 0 {
            tracing::warn!(file = %path.display(), "no tokens: nobody may use what they are for");
        }
        Ok(Self {
            path,
            list: RwLock::new(Arc::new(list)),
            seen: Mutex::new(Ok(bytes)),
            is_current: AtomicBool::new(true),
            attempts: Attempts::new(attempts),
        })
    }

    /// Who has this token.
    pub(crate) fn find(&self, token: &str) -> Option<Caller<R>> {
        let list = Arc::clone(&self.list.read().unwrap_or_else(PoisonError::into_inner));
        list.find(token)
    }

    /// Whether the token of this caller has not been revoked since.
    pub(crate) fn is_in_force(&self, caller: &Caller<R>) -> bool {
        let list = Arc::clone(&self.list.read().unwrap_or_else(PoisonError::into_inner));
        list.has_caller(caller)
    }

    /// Whether the file could be read when it was read last.
    pub(crate) fn is_current(&self) -> bool {
        self.is_current.load(Ordering::Relaxed)
    }

    fn tell(&self, error: &TokensError) {
        let (file, hint) = (self.path.display(), error.hint());
        tracing::error!(reason = "tokens", %file, %error, hint, "the tokens before stay in force");
    }
}

impl<R: Permission> Watched for Tokens<R> {
    fn look(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let read = bytes(&self.path);
        let found = read.as_ref().map(Clone::clone).map_err(ToString::to_string);
        if found == *seen {
            return;
        }
        *seen = found;
        let list = read.and_then(|bytes| TokenList::parse(&self.path, &bytes));
        self.is_current.store(list.is_ok(), Ordering::Relaxed);
        match list {
            Ok(list) => {
                tracing::info!(file = %self.path.display(), tokens = list.len(), "tokens read");
                *self.list.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
            }
            Err(error) => self.tell(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::new_token;
    use super::*;

    #[test]
    fn a_broken_file_keeps_the_tokens_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let missing = Tokens::<Role>::read(path.clone(), Rate::NONE);
        assert!(matches!(missing, Err(TokensError::Read { .. })));
        let ada = new_token(&path, "ada", Role::Operator).unwrap();
        let tokens = Tokens::<Role>::read(path.clone(), Rate::NONE).unwrap();
        let bob = new_token(&path, "bob", Role::Viewer).unwrap();
        assert!(tokens.find(bob.reveal()).is_none());
        tokens.look();
        assert!(tokens.find(bob.reveal()).is_some() && tokens.is_current());
        let good = fs::read(&path).unwrap();
        for broken in [b"oops".as_slice(), b"ada operator 00"] {
            fs::write(&path, broken).unwrap();
            tokens.look();
            assert!(tokens.find(ada.reveal()).is_some() && !tokens.is_current());
        }
        fs::remove_file(&path).unwrap();
        tokens.look();
        assert!(tokens.find(ada.reveal()).is_some() && !tokens.is_current());
        let without_ada = String::from_utf8(good).unwrap();
        let without_ada = without_ada.lines().filter(|line| !line.starts_with("ada"));
        fs::write(&path, without_ada.collect::<String>()).unwrap();
        tokens.look();
        assert!(tokens.find(ada.reveal()).is_none() && tokens.is_current());
        assert!(tokens.find(bob.reveal()).is_some());
    }
}
