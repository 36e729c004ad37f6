//! What a file holds, for `inspect` and `check`.

use std::sync::Arc;

use plugbay_core::{Artifact, Description, Reason, Refusal, Runtime};
use serde::Serialize;

use crate::config::Config;
use crate::desired::{Offer, resolve};
use crate::load::{Store, prepare};

/// What a file holds.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// The file.
    pub source: String,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// Bytes of compiled code.
    pub code_size: u64,
    /// The runtime that serves it.
    pub form: &'static str,
    /// The interfaces it imports: what it asks the host for.
    pub imports: Vec<String>,
    /// The interfaces it exports.
    pub exports: Vec<String>,
    /// What the plugin says of itself.
    pub description: Arc<Description>,
}

/// Prepares and describes an artifact; with a configuration, starts and stops it too.
pub(crate) fn inspect(
    runtimes: &[Arc<dyn Runtime>],
    artifact: &Artifact,
    config: Option<&Config>,
) -> Result<Inspection, Refusal> {
    if artifact.bytes.is_empty() {
        return Err(Refusal::new(Reason::Empty, "expected a plugin, found an empty file"));
    }
    if !Store::is_whole(runtimes, artifact) {
        let message = format!(
            "expected a whole file, found {} bytes that end within a section",
            artifact.bytes.len()
        );
        return Err(Refusal::new(Reason::Truncated, message).hint("copy the file again"));
    }
    let ready = prepare(runtimes, artifact)?;
    let inspection = Inspection {
        source: artifact.source.to_string(),
        digest: artifact.digest.to_string(),
        size: artifact.bytes.len() as u64,
        code_size: ready.prepared().code_size(),
        form: ready.runtime(),
        imports: ready.prepared().imports().to_vec(),
        exports: ready.prepared().exports().to_vec(),
        description: Arc::clone(ready.description()),
    };
    let Some(config) = config else { return Ok(inspection) };
    let offer = Offer {
        source: artifact.source.clone(),
        digest: artifact.digest,
        size: inspection.size,
        description: Arc::clone(ready.description()),
    };
    // A file alone clashes with nothing; its configuration and its routes are checked.
    let failed = [artifact.source.clone()].into();
    let desired = resolve(config, std::slice::from_ref(&offer), &failed, &[].into());
    let own = desired.refused.into_iter().find(|it| it.source == artifact.source);
    if let Some(refused) = own {
        return Err(refused.refusal);
    }
    for wanted in &desired.wanted {
        ready.start(wanted)?.plugin.shutdown();
    }
    Ok(inspection)
}
