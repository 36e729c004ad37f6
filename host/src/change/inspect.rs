//! Inspects files, for `inspect` and `check`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use plugbay_core::{
    Artifact, Description, Grant, Grants, Isolation, Reason, Refusal, Runtime, Source,
};
use serde::{Deserialize, Serialize};

use super::catch_panic::CatchPanic;
use super::desired::{description_isolation, names, resolve, violated};
use super::prepare::{Ready, is_whole, prepare};
use crate::config::Config;
use crate::report::Journal;
use crate::set::{Generation, Offer};

/// The content of a file that may hold a plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    pub form: Cow<'static, str>,
    /// The interfaces that it imports from the host.
    pub imports: Vec<String>,
    /// The grants that its imports need; without a grant, their use is denied.
    pub requested: Vec<Grant>,
    /// The interfaces it exports.
    pub exports: Vec<String>,
    /// The plugin's own description.
    pub description: Arc<Description>,
    /// The plugins that the configuration would make of it.
    pub plugins: Vec<PlannedPlugin>,
}

/// A plugin that a file would become.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlannedPlugin {
    /// The name under which it would run.
    pub name: String,
    /// Where it would run, if it is native code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// What the configuration would grant to it.
    pub grants: Grants,
}

/// Inspects an artifact without starting it.
pub(crate) fn inspect(
    runtimes: &[CatchPanic<dyn Runtime>],
    artifact: &Artifact,
    config: &Config,
) -> Result<Inspection, Refusal> {
    let ready = ready(runtimes, artifact, config)?;
    Ok(inspection(&ready, artifact, config))
}

/// Checks artifacts as a load would: checks them together and against the running plugins, starts
/// each, and shuts it down again.
pub(crate) fn check(
    runtimes: &[CatchPanic<dyn Runtime>],
    artifacts: Vec<Result<Artifact, Refusal>>,
    running: &Generation,
) -> Vec<Result<Inspection, Refusal>> {
    let checked = artifacts.into_iter().map(|artifact| {
        let artifact = artifact?;
        let ready = ready(runtimes, &artifact, &running.config)?;
        let inspection = inspection(&ready, &artifact, &running.config);
        Ok((ready, inspection, artifact))
    });
    let checked: Vec<Result<_, Refusal>> = checked.collect();
    let good = || checked.iter().filter_map(|it| it.as_ref().ok());
    let offers = good().map(|(ready, _, artifact)| offer(ready, artifact, &running.config));
    // Running plugins stay, except those that these files would replace: the file of the same name,
    // and linked plugins, which are offered again and are replaced by any file.
    let is_linked = |source: &Source| matches!(source, Source::Linked(_));
    let replaced = |source: &Source| {
        is_linked(source)
            || good().any(|(_, _, artifact)| artifact.source.file_name() == source.file_name())
    };
    let linked = running.plugins.iter().map(|(_, member)| &member.running.offer);
    let linked = linked.filter(|offer| is_linked(&offer.source)).cloned();
    let offers: Vec<Offer> = offers.chain(linked).collect();
    let mut incumbents = running.incumbents(&BTreeMap::new());
    incumbents.retain(|_, it| !it.sources.iter().any(replaced));
    let stays = incumbents.values().flat_map(|it| it.sources.iter().cloned()).collect();
    let mut desired = resolve(&running.config, &offers, &stays, &incumbents);
    desired.refuse_contested();
    let broken = violated(&running.config, |what| desired.holds(running, what), None);
    let verdict = |ready: &Ready, source: &Source| {
        if let Some(refused) = desired.refused.iter().find(|it| it.source == *source) {
            return Err(refused.refusal.clone());
        }
        // A broken rule refuses the change as a whole.
        if let Some(rule) = broken.first() {
            return Err(rule.refusal.clone());
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
    runtimes: &[CatchPanic<dyn Runtime>],
    artifact: &Artifact,
    config: &Config,
) -> Result<Ready, Refusal> {
    if artifact.bytes.is_empty() {
        return Err(Refusal::new(Reason::Empty, "expected a plugin, found an empty file"));
    }
    if !is_whole(runtimes, artifact) {
        let message = format!(
            "expected a whole file, found {} bytes that end within a section",
            artifact.bytes.len()
        );
        return Err(Refusal::new(Reason::Truncated, message).hint("copy the file again"));
    }
    prepare(runtimes, artifact, description_isolation(config, &artifact.source))
}

fn offer(ready: &Ready, artifact: &Artifact, config: &Config) -> Offer {
    Offer {
        source: artifact.source.clone(),
        digest: artifact.digest,
        size: artifact.bytes.len() as u64,
        native: ready.prepared().is_native(),
        described_in: description_isolation(config, &artifact.source),
        description: Arc::clone(ready.description()),
    }
}

fn inspection(ready: &Ready, artifact: &Artifact, config: &Config) -> Inspection {
    let native = ready.prepared().is_native();
    let prospects = names(config, &offer(ready, artifact, config)).into_iter().map(|name| {
        let settings = config.plugins.get(&name);
        PlannedPlugin {
            isolation: native.then(|| config.policy(&name).isolation),
            grants: settings.map(|settings| settings.grants.clone()).unwrap_or_default(),
            name,
        }
    });
    Inspection {
        plugins: prospects.collect(),
        source: artifact.source.to_string(),
        digest: artifact.digest.to_string(),
        size: artifact.bytes.len() as u64,
        code_size: ready.prepared().code_size(),
        form: ready.runtime().into(),
        imports: ready.prepared().imports().to_vec(),
        requested: Grant::requested(ready.prepared().imports()),
        exports: ready.prepared().exports().to_vec(),
        description: Arc::clone(ready.description()),
    }
}
