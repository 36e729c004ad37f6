//! File operations: they run on threads that may block, with a limit for each plugin, so that one
//! plugin cannot use up the threads of the others and of the host.

use std::pin::Pin;
use std::sync::Arc;

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};

use crate::sandbox::grants::{OpenPermit, Sandbox};

/// A file operation in progress.
pub(super) type Job<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The context and table of wasmtime-wasi's functions; the table holds only the operation's files.
pub(super) type FileView<'a> = WasiFilesystemCtxView<'a>;

/// An open file or folder of a guest. It stays open, and counts, until its last clone is dropped:
/// the guest's, those of streams, and those of operations whose call has ended.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) descriptor: Descriptor,
    /// `None` for granted folders, which are open as long as the plugin.
    _permit: Option<Arc<OpenPermit>>,
}

impl Opened {
    pub(super) fn new(descriptor: Descriptor, permit: OpenPermit) -> Self {
        Self { descriptor, _permit: Some(Arc::new(permit)) }
    }

    pub(super) fn granted(descriptor: &Descriptor) -> Self {
        Self { descriptor: descriptor.clone(), _permit: None }
    }

    /// Puts it into the view's table.
    pub(super) fn push_to(
        &self,
        view: &mut FileView<'_>,
    ) -> wasmtime::Result<Resource<Descriptor>> {
        Ok(view.table.push(self.descriptor.clone())?)
    }
}

/// Runs `work` on a blocking thread, once there is a permit for it. If the future is dropped after
/// `work` has begun, `work` continues, and keeps its permit until it ends.
pub(super) fn run_blocking<T, W>(
    sandbox: &Sandbox,
    work: W,
) -> impl Future<Output = wasmtime::Result<T>> + Send + use<T, W>
where
    T: Send + 'static,
    W: FnOnce(&mut FileView<'_>) -> T + Send + 'static,
{
    let (permits, mut context) = (Arc::clone(&sandbox.file_jobs), sandbox.folders.context());
    async move {
        let permit = permits.acquire_owned().await?;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut table = ResourceTable::new();
            work(&mut WasiFilesystemCtxView { ctx: &mut context, table: &mut table })
        });
        Ok(done.await?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use plugbay_core::{Policy, Source};

    use super::*;
    use crate::sandbox::grants::MAX_FILE_JOBS;

    #[test]
    fn at_most_max_file_jobs_run_at_once() {
        let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let sandbox = Sandbox::bare(&Source::Memory("test".into()), &Policy::default());
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // Twice the limit. With a lower limit the barrier would block; with a higher one, `most` would
        // exceed the limit.
        let together = Arc::new(Barrier::new(MAX_FILE_JOBS));
        let jobs: Vec<_> = (0..MAX_FILE_JOBS * 2)
            .map(|_| {
                let (now, most, together) =
                    (Arc::clone(&now), Arc::clone(&most), Arc::clone(&together));
                tokio.spawn(run_blocking(&sandbox, move |_| {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    together.wait();
                    now.fetch_sub(1, Ordering::SeqCst);
                }))
            })
            .collect();
        for job in jobs {
            tokio.block_on(job).unwrap().unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), MAX_FILE_JOBS);
    }
}
