//! What a file holds, for `inspect` and `check`.

use std::collections::BTreeMap;
use std::sync::Arc;

use plugbay_core::{Artifact, Description, Grant, Reason, Refusal, Runtime, Source};
use serde::Serialize;

use crate::config::Config;
use crate::desired::{Offer, asked_in, resolve};
use crate::generation::Generation;
use crate::load::{Ready, Store, prepare};
use crate::outcome::Journal;

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
    /// What it asks to reach, by its imports: each needs a grant, or is denied.
    pub asked: Vec<Grant>,
    /// The interfaces it exports.
    pub exports: Vec<String>,
    /// What the plugin says of itself.
    pub description: Arc<Description>,
}

/// Says what an artifact holds, without starting it.
pub(crate) fn inspect(
    runtimes: &[Arc<dyn Runtime>],
    artifact: &Artifact,
    config: &Config,
) -> Result<Inspection, Refusal> {
    let ready = ready(runtimes, artifact, config)?;
    Ok(inspection(&ready, artifact))
}

/// Does with each artifact all that a load would do — judged together, and beside what runs —
/// and stops again what it started.
pub(crate) fn check(
    runtimes: &[Arc<dyn Runtime>],
    artifacts: Vec<Result<Artifact, Refusal>>,
    running: &Generation,
) -> Vec<Result<Inspection, Refusal>> {
    let checked = artifacts.into_iter().map(|artifact| {
        let artifact = artifact?;
        let ready = ready(runtimes, &artifact, &running.config)?;
        let inspection = inspection(&ready, &artifact);
        Ok((ready, inspection, artifact))
    });
    let checked: Vec<Result<_, Refusal>> = checked.collect();
    let good = || checked.iter().filter_map(|it| it.as_ref().ok());
    let offers = good().map(|(ready, inspection, artifact)| Offer {
        source: artifact.source.clone(),
        digest: artifact.digest,
        size: inspection.size,
        native: ready.prepared().is_native(),
        asked: asked_in(&running.config, &artifact.source),
        description: Arc::clone(ready.description()),
    });
    // What runs stays, but for what these files would replace: the file of the same name, and
    // linked plugins, which give way to any file.
    let replaced = |source: &Source| {
        matches!(source, Source::Linked(_))
            || good().any(|(_, _, artifact)| artifact.source.file_name() == source.file_name())
    };
    let mut incumbents = running.incumbents(&BTreeMap::new());
    incumbents.retain(|_, it| !it.sources.iter().any(replaced));
    let stays = incumbents.values().flat_map(|it| it.sources.iter().cloned()).collect();
    let offers: Vec<Offer> = offers.collect();
    let desired = resolve(&running.config, &offers, &stays, &incumbents);
    let verdict = |ready: &Ready, source: &Source| {
        if let Some(refused) = desired.refused.iter().find(|it| it.source == *source) {
            return Err(refused.refusal.clone());
        }
        for wanted in desired.wanted.iter().filter(|it| it.offer.source == *source) {
            ready.start(wanted, &Journal::new())?.plugin.shutdown();
        }
        Ok(())
    };
    let verdicts = checked.into_iter().map(|it| {
        let (ready, inspection, artifact) = it?;
        verdict(&ready, &artifact.source).map(|()| inspection)
    });
    verdicts.collect()
}

fn ready(
    runtimes: &[Arc<dyn Runtime>],
    artifact: &Artifact,
    config: &Config,
) -> Result<Ready, Refusal> {
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
    prepare(runtimes, artifact, asked_in(config, &artifact.source))
}

fn inspection(ready: &Ready, artifact: &Artifact) -> Inspection {
    Inspection {
        source: artifact.source.to_string(),
        digest: artifact.digest.to_string(),
        size: artifact.bytes.len() as u64,
        code_size: ready.prepared().code_size(),
        form: ready.runtime(),
        imports: ready.prepared().imports().to_vec(),
        asked: Grant::asked(ready.prepared().imports()),
        exports: ready.prepared().exports().to_vec(),
        description: Arc::clone(ready.description()),
    }
}
