//! `wasi:filesystem`: the granted folders, and nothing outside of them. That paths and links
//! lead nowhere else is wasmtime-wasi's work; here stands who was turned back.

use std::sync::Arc;

use plugbay_core::Grant;
use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry,
    DirectoryEntryStream, ErrorCode, Filesize, Host, HostDescriptor, HostDirectoryEntryStream,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::Wasi;
use crate::sandbox::Sandbox;
use crate::state::State;

impl preopens::Host for State {
    /// Looking for folders when none is granted is the use that is denied: with none, a guest
    /// cannot even name a file.
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        self.host_call()?;
        if self.sandbox.grants().files.is_empty() {
            self.sandbox.deny(Grant::Files, "look for its folders");
            return Ok(Vec::new());
        }
        let Wasi { context, table, .. } = self.wasi();
        let mut view = WasiFilesystemCtxView { ctx: context.filesystem(), table };
        preopens::Host::get_directories(&mut view)
    }
}

/// Selects [`Door`] in a linker.
pub(super) struct Files;

impl HasData for Files {
    type Data<'a> = Door<'a>;
}

/// wasmtime-wasi's files, and whom to tell of what they refuse.
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

/// Methods that are passed on; with a verb and a path, a refusal is told of.
macro_rules! pass_on {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty $(, $verb:literal $path:ident)?;)*) => {
        $(async fn $name(&mut self, $($argument: $type),*) -> $answer {
            pass_on!(@call self, HostDescriptor::$name(&mut self.inner, $($argument),*).await $(, $verb $path)?)
        })*
    };
    (@call $self:ident, $call:expr) => { $call };
    (@call $self:ident, $call:expr, $verb:literal $path:ident) => {{
        let path = $path.clone();
        let result = $call;
        $self.look(result, $verb, &path)
    }};
}

type Folder = Resource<Descriptor>;

impl HostDescriptor for Door<'_> {
    pass_on! {
        advise(file: Folder, offset: Filesize, len: Filesize, advice: Advice) -> FsResult<()>;
        sync_data(file: Folder) -> FsResult<()>;
        get_flags(file: Folder) -> FsResult<DescriptorFlags>;
        get_type(file: Folder) -> FsResult<DescriptorType>;
        set_size(file: Folder, size: Filesize) -> FsResult<()>;
        set_times(file: Folder, accessed: NewTimestamp, modified: NewTimestamp) -> FsResult<()>;
        read(file: Folder, len: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)>;
        write(file: Folder, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize>;
        read_directory(folder: Folder) -> FsResult<Resource<DirectoryEntryStream>>;
        sync(file: Folder) -> FsResult<()>;
        create_directory_at(folder: Folder, path: String) -> FsResult<()>, "create" path;
        stat(file: Folder) -> FsResult<DescriptorStat>;
        stat_at(folder: Folder, flags: PathFlags, path: String) -> FsResult<DescriptorStat>,
            "look at" path;
        set_times_at(
            folder: Folder,
            flags: PathFlags,
            path: String,
            accessed: NewTimestamp,
            modified: NewTimestamp
        ) -> FsResult<()>, "change" path;
        link_at(folder: Folder, flags: PathFlags, old: String, target: Folder, new: String)
            -> FsResult<()>, "link" old;
        open_at(
            folder: Folder,
            path_flags: PathFlags,
            path: String,
            open_flags: OpenFlags,
            flags: DescriptorFlags
        ) -> FsResult<Folder>, "open" path;
        readlink_at(folder: Folder, path: String) -> FsResult<String>, "read the link" path;
        remove_directory_at(folder: Folder, path: String) -> FsResult<()>, "remove" path;
        rename_at(folder: Folder, old: String, target: Folder, new: String) -> FsResult<()>,
            "rename" old;
        symlink_at(folder: Folder, source: String, target: String) -> FsResult<()>, "link to" source;
        unlink_file_at(folder: Folder, path: String) -> FsResult<()>, "remove" path;
        is_same_object(one: Folder, other: Folder) -> wasmtime::Result<bool>;
        metadata_hash(file: Folder) -> FsResult<MetadataHashValue>;
        metadata_hash_at(folder: Folder, flags: PathFlags, path: String)
            -> FsResult<MetadataHashValue>, "look at" path;
    }

    fn read_via_stream(
        &mut self,
        file: Folder,
        offset: Filesize,
    ) -> FsResult<Resource<DynInputStream>> {
        HostDescriptor::read_via_stream(&mut self.inner, file, offset)
    }

    fn write_via_stream(
        &mut self,
        file: Folder,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        HostDescriptor::write_via_stream(&mut self.inner, file, offset)
    }

    fn append_via_stream(&mut self, file: Folder) -> FsResult<Resource<DynOutputStream>> {
        HostDescriptor::append_via_stream(&mut self.inner, file)
    }

    fn drop(&mut self, file: Folder) -> wasmtime::Result<()> {
        HostDescriptor::drop(&mut self.inner, file)
    }
}

impl HostDirectoryEntryStream for Door<'_> {
    async fn read_directory_entry(
        &mut self,
        entries: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        HostDirectoryEntryStream::read_directory_entry(&mut self.inner, entries).await
    }

    fn drop(&mut self, entries: Resource<types::DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.inner, entries)
    }
}
