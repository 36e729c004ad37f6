//! The granted folders: opened once, when the plugin starts. All instances use these, even if
//! another folder is put at the path later.

use std::path::{Path, PathBuf};

use plugbay_core::{FolderGrant, Grants};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtx, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// A granted folder cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("expected the granted folder {} to be readable: {reason}", .folder.display())]
pub(crate) struct NoFolder {
    folder: PathBuf,
    reason: String,
}

/// A plugin's folders, open for as long as its sandbox lives.
#[derive(Default)]
pub(crate) struct Folders {
    /// A context for wasmtime-wasi's functions on a thread that may block.
    context: WasiFilesystemCtx,
    open: Vec<(Descriptor, String)>,
}

impl Folders {
    /// Opens the granted folders.
    ///
    /// # Errors
    ///
    /// For the first folder that does not exist, or cannot be read.
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

    /// Each folder, and its path for the plugin.
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
    check_readable(host)?;
    let perms = if *write { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
    let mut builder = blocking();
    builder.preopened_dir(host, guest, perms)?;
    let (mut context, mut table) = (builder.build(), ResourceTable::new());
    let mut view = WasiFilesystemCtxView { ctx: context.filesystem(), table: &mut table };
    let mut opened = preopens::Host::get_directories(&mut view)?;
    let (folder, _) = opened
        .pop()
        .ok_or_else(|| wasmtime::format_err!("expected an opened folder, found none"))?;
    Ok(table.delete(folder)?)
}

/// Checks that the folder can be read: some systems open one that cannot.
fn check_readable(folder: &Path) -> std::io::Result<()> {
    std::fs::read_dir(folder).map(drop)
}
