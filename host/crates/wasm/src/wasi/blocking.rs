//! Work on files: on a thread that may block, with a bound for each plugin, so that it cannot use up
//! the threads which other plugins and the host need.

use std::pin::Pin;
use std::sync::Arc;

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};

use crate::sandbox::grants::{OpenPermit, Sandbox};

/// Work that is under way.
pub(super) type Job<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// wasmtime-wasi's functions, on a table that holds nothing but what the work is about.
pub(super) type FileView<'a> = WasiFilesystemCtxView<'a>;

/// A file or a folder that a guest holds. It stays open, and counts, until the last clone is gone:
/// the guest's, those of streams, and those of work whose call has ended.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) descriptor: Descriptor,
    /// None for granted folders, which are open anyway.
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

/// Does `work` as soon as there is a permit for it. Dropped once it has begun, it goes on, and
/// keeps its permit until it ends.
pub(super) fn run_blocking<T, W>(
    sandbox: &Sandbox,
    work: W,
) -> impl Future<Output = wasmtime::Result<T>> + Send + use<T, W>
where
    T: Send + 'static,
    W: FnOnce(&mut FileView<'_>) -> T + Send + 'static,
{
    let (permits, mut context) = (Arc::clone(&sandbox.file_work), sandbox.folders.context());
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

    use plugbay_core::Policy;

    use super::*;
    use crate::sandbox::grants::MOST_FILE_WORK;

    #[test]
    fn only_so_much_is_done_at_the_same_time() {
        let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let sandbox = Sandbox::bare(&Policy::default());
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // As many at once as there may be, twice; one more would wait for others, or count more.
        let together = Arc::new(Barrier::new(MOST_FILE_WORK));
        let jobs: Vec<_> = (0..MOST_FILE_WORK * 2)
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
        assert_eq!(most.load(Ordering::SeqCst), MOST_FILE_WORK);
    }
}
