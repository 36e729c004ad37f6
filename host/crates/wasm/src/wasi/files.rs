//! `wasi:filesystem`: the granted folders, and nothing outside of them. wasmtime-wasi keeps paths and
//! links within a folder; this module reports denied uses, and limits how much a plugin has open.
//!
//! The guest's descriptors and listings are of types of this crate, which hold permits. For each
//! operation wasmtime-wasi's functions get the descriptors in a [`FileView`], on a thread that may
//! block.

use std::sync::Arc;

use futures_lite::future::block_on;
use plugbay_core::Grant;
use wasmtime::component::{HasData, Resource, ResourceTableError};
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry,
    DirectoryEntryStream, ErrorCode, Filesize, Host, HostDescriptor, HostDirectoryEntryStream,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::blocking::{FileView, Opened, run_blocking};
use super::file_streams::{Reader, WriteAt, Writer};
use super::listing::Listing;
use crate::sandbox::grants::{OpenPermit, Sandbox};
use crate::sandbox::state::State;

impl preopens::Host for State {
    /// Without a granted folder each call counts as denied: it is the only use that such a guest can
    /// make of files.
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Folder, String)>> {
        self.host_call()?;
        let sandbox = Arc::clone(&self.sandbox);
        if sandbox.grants().files.is_empty() {
            sandbox.deny(Grant::Files, "look for its folders");
            return Ok(Vec::new());
        }
        let table = &mut self.wasi().table;
        let folders = sandbox.folders.iter().map(|(folder, guest)| {
            let kept = table.push(Opened::granted(folder))?;
            Ok((Resource::new_own(kept.rep()), guest.to_owned()))
        });
        folders.collect()
    }
}

/// The linker's marker for [`GuestFiles`].
pub(super) struct Files;

impl HasData for Files {
    type Data<'a> = GuestFiles<'a>;
}

/// The guest's files, and the sandbox, which counts and reports denied uses.
pub(super) struct GuestFiles<'a> {
    inner: WasiFilesystemCtxView<'a>,
    sandbox: Arc<Sandbox>,
}

impl State {
    pub(super) fn files(&mut self) -> GuestFiles<'_> {
        let sandbox = Arc::clone(&self.sandbox);
        GuestFiles { inner: self.files_call(), sandbox }
    }
}

impl GuestFiles<'_> {
    fn get(&self, file: &Folder) -> Result<Opened, ResourceTableError> {
        let file = Resource::<Opened>::new_borrow(file.rep());
        Ok(self.inner.table.get(&file)?.clone())
    }

    /// The permit to have one more file, folder or stream open.
    fn open_permit(&self) -> FsResult<OpenPermit> {
        Ok(self.sandbox.open_permit().ok_or(ErrorCode::Quota)?)
    }

    /// Runs `work` on a thread that may block.
    fn run_blocking<T, W>(&self, work: W) -> impl Future<Output = FsResult<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce(&mut FileView<'_>) -> FsResult<T> + Send + 'static,
    {
        let job = run_blocking(&self.sandbox, work);
        async { job.await.map_err(FsError::trap)? }
    }

    /// Reports an operation that was not permitted: a path out of the folder, or a change in a folder
    /// that is granted for reading only.
    fn report_denied<T>(&self, result: FsResult<T>, verb: &str, path: &str) -> FsResult<T> {
        if let Err(error) = &result
            && matches!(error.downcast_ref(), Some(ErrorCode::NotPermitted))
        {
            self.sandbox.deny(Grant::Files, format_args!("{verb} {path:?}"));
        }
        result
    }

    fn write_stream(&mut self, file: &Folder, at: WriteAt) -> FsResult<Resource<DynOutputStream>> {
        let file = self.get(file)?;
        match &file.descriptor {
            Descriptor::Dir(_) => return Err(ErrorCode::BadDescriptor.into()),
            Descriptor::File(file) if file.perms.write_not_permitted() => {
                return Err(ErrorCode::NotPermitted.into());
            }
            Descriptor::File(_) => {}
        }
        let file = Opened::new(file.descriptor, self.open_permit()?);
        let stream: DynOutputStream = Box::new(Writer::new(Arc::clone(&self.sandbox), file, at));
        Ok(self.inner.table.push(stream)?)
    }
}

/// Puts a file into a view.
fn push(file: &Opened, view: &mut FileView<'_>) -> FsResult<Folder> {
    file.push_to(view).map_err(FsError::trap)
}

/// Opens a file or a folder, and nothing else: opening a pipe blocks a thread until its other end is
/// opened, and opening a device may have any effect.
fn open(
    view: &mut FileView<'_>,
    folder: &Opened,
    path_flags: PathFlags,
    path: String,
    open_flags: OpenFlags,
    flags: DescriptorFlags,
) -> FsResult<Descriptor> {
    let at = push(folder, view)?;
    let there = block_on(HostDescriptor::stat_at(view, at, path_flags, path.clone()));
    there.map_or(Ok(()), |stat| check_type(stat.type_))?;
    let at = push(folder, view)?;
    let opened = block_on(HostDescriptor::open_at(view, at, path_flags, path, open_flags, flags))?;
    let opened = view.table.delete(opened)?;
    // The path may have been replaced between the two calls.
    let again = view.table.push(opened.clone())?;
    check_type(block_on(HostDescriptor::get_type(view, again))?)?;
    Ok(opened)
}

fn check_type(found: DescriptorType) -> FsResult<()> {
    match found {
        DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink => {
            Ok(())
        }
        _ => Err(ErrorCode::NotPermitted.into()),
    }
}

impl Host for GuestFiles<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        Host::convert_error_code(&mut self.inner, error)
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        Host::filesystem_error_code(&mut self.inner, error)
    }
}

/// Methods that call wasmtime-wasi's. With a verb and a path, an operation that is not permitted is
/// reported.
macro_rules! pass_on {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty $(, $verb:literal $path:ident)?;)*) => {
        $(async fn $name(&mut self, file: Folder, $($argument: $type),*) -> FsResult<$answer> {
            let file = self.get(&file)?;
            $(let tried = $path.clone();)?
            let result = self
                .run_blocking(move |view| {
                    let file = push(&file, view)?;
                    block_on(HostDescriptor::$name(view, file, $($argument),*))
                })
                .await;
            $(let result = self.report_denied(result, $verb, &tried);)?
            result
        })*
    };
}

type Folder = Resource<Descriptor>;

impl HostDescriptor for GuestFiles<'_> {
    pass_on! {
        advise(offset: Filesize, len: Filesize, advice: Advice) -> ();
        sync_data() -> ();
        get_flags() -> DescriptorFlags;
        get_type() -> DescriptorType;
        set_size(size: Filesize) -> ();
        set_times(accessed: NewTimestamp, modified: NewTimestamp) -> ();
        read(len: Filesize, offset: Filesize) -> (Vec<u8>, bool);
        write(bytes: Vec<u8>, offset: Filesize) -> Filesize;
        sync() -> ();
        create_directory_at(path: String) -> (), "create" path;
        stat() -> DescriptorStat;
        stat_at(flags: PathFlags, path: String) -> DescriptorStat, "look at" path;
        set_times_at(
            flags: PathFlags,
            path: String,
            accessed: NewTimestamp,
            modified: NewTimestamp
        ) -> (), "change" path;
        readlink_at(path: String) -> String, "read the link" path;
        remove_directory_at(path: String) -> (), "remove" path;
        symlink_at(source: String, target: String) -> (), "link to" source;
        unlink_file_at(path: String) -> (), "remove" path;
        metadata_hash() -> MetadataHashValue;
        metadata_hash_at(flags: PathFlags, path: String) -> MetadataHashValue, "look at" path;
    }

    async fn open_at(
        &mut self,
        folder: Folder,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Folder> {
        let (folder, permit, tried) = (self.get(&folder)?, self.open_permit()?, path.clone());
        let opened = self
            .run_blocking(move |view| {
                let opened = open(view, &folder, path_flags, path, open_flags, flags)?;
                Ok(Opened::new(opened, permit))
            })
            .await;
        let kept = self.inner.table.push(self.report_denied(opened, "open", &tried)?)?;
        Ok(Resource::new_own(kept.rep()))
    }

    async fn link_at(
        &mut self,
        folder: Folder,
        flags: PathFlags,
        old: String,
        target: Folder,
        new: String,
    ) -> FsResult<()> {
        let (folder, target, tried) = (self.get(&folder)?, self.get(&target)?, old.clone());
        let linked = self.run_blocking(move |view| {
            let (folder, target) = (push(&folder, view)?, push(&target, view)?);
            block_on(HostDescriptor::link_at(view, folder, flags, old, target, new))
        });
        let linked = linked.await;
        self.report_denied(linked, "link", &tried)
    }

    async fn rename_at(
        &mut self,
        folder: Folder,
        old: String,
        target: Folder,
        new: String,
    ) -> FsResult<()> {
        let (folder, target, tried) = (self.get(&folder)?, self.get(&target)?, old.clone());
        let renamed = self.run_blocking(move |view| {
            let (folder, target) = (push(&folder, view)?, push(&target, view)?);
            block_on(HostDescriptor::rename_at(view, folder, old, target, new))
        });
        let renamed = renamed.await;
        self.report_denied(renamed, "rename", &tried)
    }

    async fn read_directory(&mut self, folder: Folder) -> FsResult<Resource<DirectoryEntryStream>> {
        let (folder, permit) = (self.get(&folder)?, self.open_permit()?);
        let listing = self.run_blocking(move |view| Listing::begin(view, &folder, permit)).await?;
        let kept = self.inner.table.push(listing)?;
        Ok(Resource::new_own(kept.rep()))
    }

    fn read_via_stream(
        &mut self,
        file: Folder,
        offset: Filesize,
    ) -> FsResult<Resource<DynInputStream>> {
        let file = self.get(&file)?;
        if matches!(file.descriptor, Descriptor::Dir(_)) {
            return Err(ErrorCode::IsDirectory.into());
        }
        let file = Opened::new(file.descriptor, self.open_permit()?);
        let stream: DynInputStream = Box::new(Reader::new(Arc::clone(&self.sandbox), file, offset));
        Ok(self.inner.table.push(stream)?)
    }

    fn write_via_stream(
        &mut self,
        file: Folder,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.write_stream(&file, WriteAt::Position(offset))
    }

    fn append_via_stream(&mut self, file: Folder) -> FsResult<Resource<DynOutputStream>> {
        self.write_stream(&file, WriteAt::End)
    }

    async fn is_same_object(&mut self, one: Folder, other: Folder) -> wasmtime::Result<bool> {
        let (one, other) = (self.get(&one)?, self.get(&other)?);
        let same = run_blocking(&self.sandbox, move |view| {
            let (one, other) = (one.push_to(view)?, other.push_to(view)?);
            block_on(HostDescriptor::is_same_object(view, one, other))
        });
        same.await?
    }

    fn drop(&mut self, file: Folder) -> wasmtime::Result<()> {
        self.inner.table.delete(Resource::<Opened>::new_own(file.rep()))?;
        Ok(())
    }
}

impl HostDirectoryEntryStream for GuestFiles<'_> {
    async fn read_directory_entry(
        &mut self,
        entries: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let listing = Resource::<Listing>::new_borrow(entries.rep());
        let known = self.inner.table.get_mut(&listing)?;
        if let Some(entry) = known.next() {
            return entry.map(Some);
        }
        let Some(rest) = known.rest() else { return Ok(None) };
        let read = self.run_blocking(move |_| Ok(rest.read())).await?;
        let known = self.inner.table.get_mut(&listing)?;
        *known = read;
        known.next().transpose()
    }

    fn drop(&mut self, entries: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.inner.table.delete(Resource::<Listing>::new_own(entries.rep()))?;
        Ok(())
    }
}
