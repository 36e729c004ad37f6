//! What makes two plugins the same.

use plugbay_core::{Digest, Policy};
use serde_json::Value;

/// What makes two plugins the same: change any of it, and the plugin is restarted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PluginIdentity {
    /// The name it runs under.
    pub(crate) name: String,
    /// Its artifact's bytes.
    pub(crate) digest: Digest,
    /// Its configuration.
    pub(crate) config: Value,
    /// Its limits and grants.
    pub(crate) policy: Policy,
}
