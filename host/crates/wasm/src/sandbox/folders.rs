//! The granted folders: opened once, when the plugin starts, and the same for each of its
//! instances from then on, whatever comes to stand at their paths.

use std::path::{Path, PathBuf};

use plugbay_core::{FolderGrant, Grants};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtx, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// A folder that is granted and cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("expected the granted folder {} to be readable: {reason}", .folder.display())]
pub(crate) struct NoFolder {
    folder: PathBuf,
    reason: String,
}

/// A plugin's folders, open for as long as its sandbox lives.
#[derive(Default)]
pub(crate) struct Folders {
    /// What wasmtime-wasi is given for work on a thread of its own: it may block.
    context: WasiFilesystemCtx,
    open: Vec<(Descriptor, String)>,
}

impl Folders {
    /// Opens what is granted.
    ///
    /// # Errors
    ///
    /// The first folder that is not there, or cannot be read.
    pub(crate) fn open(grants: &Grants) -> Result<Self, NoFolder> {
        let opened = grants.files.iter().map(|grant| {
            let folder = open(grant).map_err(|error| NoFolder {
                folder: grant.host.clone(),
                reason: error.root_cause().to_string(),
            })?;
            Ok((folder, grant.guest.clone()))
        });
        let open = opened.collect::<Result<_, _>>()?;
        Ok(Self { context: blocking().build().filesystem().clone(), open })
    }

    pub(crate) fn context(&self) -> WasiFilesystemCtx {
        self.context.clone()
    }

    /// Each folder, and where the plugin sees it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Descriptor, &str)> {
        self.open.iter().map(|(folder, guest)| (folder, &**guest))
    }
}

fn blocking() -> WasiCtxBuilder {
    let mut builder = WasiCtxBuilder::new();
    builder.allow_blocking_current_thread(true);
    builder
}

fn open(FolderGrant { host, guest, write }: &FolderGrant) -> wasmtime::Result<Descriptor> {
    readable(host)?;
    let perms = if *write { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
    let mut builder = blocking();
    builder.preopened_dir(host, guest, perms)?;
    let (mut context, mut table) = (builder.build(), ResourceTable::new());
    let mut view = WasiFilesystemCtxView { ctx: context.filesystem(), table: &mut table };
    let mut opened = preopens::Host::get_directories(&mut view)?;
    let (folder, _) = opened.pop().ok_or_else(|| wasmtime::format_err!("it was not opened"))?;
    Ok(table.delete(folder)?)
}

/// Some systems open a folder that cannot be read.
fn readable(folder: &Path) -> std::io::Result<()> {
    std::fs::read_dir(folder).map(drop)
}
