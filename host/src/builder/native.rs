//! The runtimes of native plugins.

use std::sync::Arc;

use plugbay_core::{Artifact, Runtime};
use plugbay_native::worker::WorkerCommand;
use plugbay_native::{Ceiling, LinkedRuntime, NativeRuntime};
use tokio::runtime::Handle;

use crate::config::Config;

/// Adds the runtimes of libraries and of linked plugins, and returns the plugins that are linked.
pub(super) fn add(
    runtimes: &mut Vec<Arc<dyn Runtime>>,
    config: &Config,
    worker: Option<WorkerCommand>,
    tokio: &Handle,
) -> Vec<Artifact> {
    // Private copies of libraries need a place; without one, each library is refused.
    let cache = &config.host.cache;
    let copies = (!cache.as_os_str().is_empty()).then(|| cache.join("native"));
    let libraries = NativeRuntime::new(copies, tokio.clone()).ceiling(Ceiling {
        mapped: config.host.mapped.as_u64(),
        beyond: config.host.mapped_beyond,
    });
    let libraries = match worker {
        Some(worker) => libraries.worker(worker),
        None => libraries,
    };
    let linked = LinkedRuntime::new(tokio.clone());
    let artifacts = linked.artifacts();
    runtimes.push(Arc::new(libraries));
    runtimes.push(Arc::new(linked));
    artifacts
}
