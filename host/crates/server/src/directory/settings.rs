//! Where a directory listens, and what secures it.

use std::path::PathBuf;

use plugbay::config::{ListenAddress, TlsSettings};

/// Where a directory listens, and what secures it.
#[derive(Clone, Debug, Default)]
pub struct DirectorySettings {
    /// The addresses.
    pub listen: Vec<ListenAddress>,
    /// The file of the hashes of tokens, with lines `NAME GRANTS SHA256`. Without it everybody who reaches the
    /// directory may do everything.
    pub tokens: Option<PathBuf>,
    /// The certificate.
    pub tls: Option<TlsSettings>,
}

impl DirectorySettings {
    /// Whether only this machine reaches it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.listen.iter().all(ListenAddress::is_local)
    }

    /// The first address beyond this machine, if the directory is not for those alone who have a token, or if others
    /// could read it on its way.
    pub(super) fn exposed(&self) -> Option<&ListenAddress> {
        let is_guarded = self.tokens.is_some() && self.tls.is_some();
        self.listen.iter().find(|address| !is_guarded && !address.is_local())
    }
}
