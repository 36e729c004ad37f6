//! The identity of a plugin.

use plugbay_core::{Digest, Policy};
use serde_json::Value;

/// The identity of a plugin: a change of any field restarts it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PluginIdentity {
    /// The name under which it runs.
    pub(crate) name: String,
    /// The digest of its artifact.
    pub(crate) digest: Digest,
    /// Its configuration.
    pub(crate) config: Value,
    /// Its limits and grants.
    pub(crate) policy: Policy,
}
