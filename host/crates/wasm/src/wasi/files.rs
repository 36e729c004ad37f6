//! `wasi:filesystem`: the granted folders, and nothing outside of them. That paths and links
//! lead nowhere else is wasmtime-wasi's work; here stands who was turned back, and how much a
//! plugin may have open.
//!
//! The guest's descriptors and listings are of our own types, which count. wasmtime-wasi's
//! functions see them only on a bench, on a thread that may block.

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

use super::aside::{Bench, Opened, aside};
use super::file_streams::{Reader, To, Writer};
use super::listing::Listing;
use crate::sandbox::grants::{Place, Sandbox};
use crate::sandbox::state::State;

impl preopens::Host for State {
    /// Looking for folders when none is granted is the use that is denied: with none, a guest
    /// cannot even name a file.
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

/// Selects [`Door`] in a linker.
pub(super) struct Files;

impl HasData for Files {
    type Data<'a> = Door<'a>;
}

/// The guest's files, and whom to tell of what is refused.
pub(super) struct Door<'a> {
    inner: WasiFilesystemCtxView<'a>,
    sandbox: Arc<Sandbox>,
}

impl State {
    pub(super) fn files(&mut self) -> Door<'_> {
        let sandbox = Arc::clone(&self.sandbox);
        Door { inner: self.files_call(), sandbox }
    }
}

impl Door<'_> {
    fn get(&self, file: &Folder) -> Result<Opened, ResourceTableError> {
        let file = Resource::<Opened>::new_borrow(file.rep());
        Ok(self.inner.table.get(&file)?.clone())
    }

    /// The right to have one more thing open.
    fn place(&self) -> FsResult<Place> {
        Ok(self.sandbox.place().ok_or(ErrorCode::Quota)?)
    }

    /// Does what may block.
    fn aside<T, W>(&self, work: W) -> impl Future<Output = FsResult<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce(&mut Bench<'_>) -> FsResult<T> + Send + 'static,
    {
        let job = aside(&self.sandbox, work);
        async { job.await.map_err(FsError::trap)? }
    }

    /// Tells of what was not permitted: a path out of the folder, or a change in one that is
    /// granted for reading.
    fn look<T>(&self, result: FsResult<T>, verb: &str, path: &str) -> FsResult<T> {
        if let Err(error) = &result
            && matches!(error.downcast_ref(), Some(ErrorCode::NotPermitted))
        {
            self.sandbox.deny(Grant::Files, format_args!("{verb} {path:?}"));
        }
        result
    }

    fn write_stream(&mut self, file: &Folder, to: To) -> FsResult<Resource<DynOutputStream>> {
        let file = self.get(file)?;
        match &file.descriptor {
            Descriptor::Dir(_) => return Err(ErrorCode::BadDescriptor.into()),
            Descriptor::File(file) if file.perms.write_not_permitted() => {
                return Err(ErrorCode::NotPermitted.into());
            }
            Descriptor::File(_) => {}
        }
        let file = Opened::new(file.descriptor, self.place()?);
        let stream: DynOutputStream = Box::new(Writer::new(Arc::clone(&self.sandbox), file, to));
        Ok(self.inner.table.push(stream)?)
    }
}

/// Lays a file on a bench.
fn lay(file: &Opened, bench: &mut Bench<'_>) -> FsResult<Folder> {
    file.lay_on(bench).map_err(FsError::trap)
}

/// Opens a file or a folder, and nothing else: to open a pipe takes a thread for as long as nobody
/// opens its other end, and what a device does nobody knows.
fn open(
    bench: &mut Bench<'_>,
    folder: &Opened,
    path_flags: PathFlags,
    path: String,
    open_flags: OpenFlags,
    flags: DescriptorFlags,
) -> FsResult<Descriptor> {
    let at = lay(folder, bench)?;
    let there = block_on(HostDescriptor::stat_at(bench, at, path_flags, path.clone()));
    there.map_or(Ok(()), |stat| check_type(stat.type_))?;
    let at = lay(folder, bench)?;
    let opened = block_on(HostDescriptor::open_at(bench, at, path_flags, path, open_flags, flags))?;
    let opened = bench.table.delete(opened)?;
    // Another thing may have come there in between.
    let again = bench.table.push(opened.clone())?;
    check_type(block_on(HostDescriptor::get_type(bench, again))?)?;
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

impl Host for Door<'_> {
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

/// Methods that are done by wasmtime-wasi; with a verb and a path, a refusal is told of.
macro_rules! pass_on {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty $(, $verb:literal $path:ident)?;)*) => {
        $(async fn $name(&mut self, file: Folder, $($argument: $type),*) -> FsResult<$answer> {
            let file = self.get(&file)?;
            $(let tried = $path.clone();)?
            let result = self
                .aside(move |bench| {
                    let file = lay(&file, bench)?;
                    block_on(HostDescriptor::$name(bench, file, $($argument),*))
                })
                .await;
            $(let result = self.look(result, $verb, &tried);)?
            result
        })*
    };
}

type Folder = Resource<Descriptor>;

impl HostDescriptor for Door<'_> {
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
        let (folder, place, tried) = (self.get(&folder)?, self.place()?, path.clone());
        let opened = self
            .aside(move |bench| {
                let opened = open(bench, &folder, path_flags, path, open_flags, flags)?;
                Ok(Opened::new(opened, place))
            })
            .await;
        let kept = self.inner.table.push(self.look(opened, "open", &tried)?)?;
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
        let linked = self.aside(move |bench| {
            let (folder, target) = (lay(&folder, bench)?, lay(&target, bench)?);
            block_on(HostDescriptor::link_at(bench, folder, flags, old, target, new))
        });
        let linked = linked.await;
        self.look(linked, "link", &tried)
    }

    async fn rename_at(
        &mut self,
        folder: Folder,
        old: String,
        target: Folder,
        new: String,
    ) -> FsResult<()> {
        let (folder, target, tried) = (self.get(&folder)?, self.get(&target)?, old.clone());
        let renamed = self.aside(move |bench| {
            let (folder, target) = (lay(&folder, bench)?, lay(&target, bench)?);
            block_on(HostDescriptor::rename_at(bench, folder, old, target, new))
        });
        let renamed = renamed.await;
        self.look(renamed, "rename", &tried)
    }

    async fn read_directory(&mut self, folder: Folder) -> FsResult<Resource<DirectoryEntryStream>> {
        let (folder, place) = (self.get(&folder)?, self.place()?);
        let listing = self.aside(move |bench| Listing::begin(bench, &folder, place)).await?;
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
        let file = Opened::new(file.descriptor, self.place()?);
        let stream: DynInputStream = Box::new(Reader::new(Arc::clone(&self.sandbox), file, offset));
        Ok(self.inner.table.push(stream)?)
    }

    fn write_via_stream(
        &mut self,
        file: Folder,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.write_stream(&file, To::Position(offset))
    }

    fn append_via_stream(&mut self, file: Folder) -> FsResult<Resource<DynOutputStream>> {
        self.write_stream(&file, To::End)
    }

    async fn is_same_object(&mut self, one: Folder, other: Folder) -> wasmtime::Result<bool> {
        let (one, other) = (self.get(&one)?, self.get(&other)?);
        let same = aside(&self.sandbox, move |bench| {
            let (one, other) = (one.lay_on(bench)?, other.lay_on(bench)?);
            block_on(HostDescriptor::is_same_object(bench, one, other))
        });
        same.await?
    }

    fn drop(&mut self, file: Folder) -> wasmtime::Result<()> {
        self.inner.table.delete(Resource::<Opened>::new_own(file.rep()))?;
        Ok(())
    }
}

impl HostDirectoryEntryStream for Door<'_> {
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
        let read = self.aside(move |_| Ok(rest.read())).await?;
        let known = self.inner.table.get_mut(&listing)?;
        *known = read;
        known.next().transpose()
    }

    fn drop(&mut self, entries: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.inner.table.delete(Resource::<Listing>::new_own(entries.rep()))?;
        Ok(())
    }
}
