//! Plugins that are dynamic libraries: where each may run, and the steps that lead there.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use plugbay_core::{
    Artifact, Description, Digest, Isolation, Notice, Plugin, Policy, Prepared, Reason, Refusal,
    Runtime, Source, StartPlugin,
};
use plugbay_guard::RestartRules;
use tokio::runtime::Handle;

use crate::fault::Fault;
use crate::file::header::{self, HeaderError};
use crate::file::staging::{PrivateCopy, Staging};
use crate::in_process::code::Code;
use crate::in_process::libraries::{Libraries, LoadError};
use crate::in_process::plugin::InProcessPlugin;
use crate::worker::{self, ProcessPlugin, WorkerCommand};

/// Runs plugins that are dynamic libraries, in worker processes or in this process.
#[derive(Debug)]
pub struct NativeRuntime {
    /// The folder of the private copies, made for the first library. `None`: no library is loaded.
    copies: Option<PathBuf>,
    tokio: Handle,
    ceiling: Ceiling,
    worker: Option<WorkerCommand>,
}

/// How many bytes of native libraries may be mapped into this process. A library that is loaded
/// stays, also when a newer version replaces it, so every new version adds to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ceiling {
    /// Bytes of library files; 0 is no limit.
    pub mapped: u64,
    /// What happens to a plugin that would exceed that: it runs in a worker process, or is refused.
    pub beyond: Isolation,
}

impl NativeRuntime {
    /// A runtime that loads from private copies in the folder `copies`, from which it removes the
    /// copies that no host has used for a day. Without such a folder it refuses all libraries.
    /// Handlers run on `tokio`'s threads for blocking work. Unless told otherwise, the runtime loads
    /// into this process only, and without a limit.
    #[must_use]
    pub fn new(copies: impl Into<Option<PathBuf>>, tokio: Handle) -> Self {
        let copies = copies.into();
        if let Some(copies) = &copies {
            sweep(copies);
        }
        Self { copies, tokio, ceiling: Ceiling::default(), worker: None }
    }

    /// Limits what is mapped into this process.
    #[must_use]
    pub fn ceiling(self, ceiling: Ceiling) -> Self {
        Self { ceiling, ..self }
    }

    /// Sets the program that serves as a worker.
    #[must_use]
    pub fn worker(self, worker: WorkerCommand) -> Self {
        Self { worker: Some(worker), ..self }
    }
}

impl Runtime for NativeRuntime {
    fn name(&self) -> &'static str {
        "native"
    }

    fn recognises(&self, artifact: &Artifact) -> bool {
        !matches!(artifact.source, Source::Linked(_)) && header::recognises(&artifact.bytes)
    }

    fn is_whole(&self, artifact: &Artifact) -> bool {
        header::is_whole(&artifact.bytes)
    }

    /// Refuses a static library. Does nothing else yet: a library that policy refuses is neither read
    /// nor copied.
    fn prepare(&self, artifact: &Artifact) -> Result<Arc<dyn Prepared>, Refusal> {
        if header::is_archive(&artifact.bytes)
            && let Err(error) = header::read(&artifact.bytes)
        {
            let message = format!("{}: {error}", artifact.source);
            return Err(Refusal::new(reason_of_header(&error), message).hint(error.hint()));
        }
        Ok(Arc::new(NativePrepared {
            source: artifact.source.clone(),
            digest: artifact.digest,
            size: artifact.bytes.len() as u64,
            artifact: Mutex::new(Some(artifact.clone())),
            copies: self.copies.clone(),
            copy: OnceLock::new(),
            tokio: self.tokio.clone(),
            ceiling: self.ceiling,
            worker: self.worker.clone(),
            loaded: OnceLock::new(),
        }))
    }
}

/// How long an unused copy stays: a library that is loaded every day is copied once.
const UNUSED_FOR: Duration = Duration::from_hours(24);

/// Removes the copies that are left from hosts that ended. A failure does not keep the host from
/// starting: when a library is loaded, its refusal says what is wrong with the folder.
fn sweep(copies: &Path) {
    if !copies.exists() {
        return;
    }
    let swept = Staging::open(copies).map_err(|error| error.to_string());
    match swept.and_then(|copies| copies.sweep(UNUSED_FOR).map_err(|error| error.to_string())) {
        Ok(0) => {}
        Ok(removed) => tracing::debug!(removed, "removed unused private copies"),
        Err(error) => tracing::debug!(error, "unused private copies were not removed"),
    }
}

/// A library that may be described and started.
struct NativePrepared {
    source: Source,
    digest: Digest,
    size: u64,
    /// Taken when the private copy is made.
    artifact: Mutex<Option<Artifact>>,
    copies: Option<PathBuf>,
    /// Made once policy allows the library to run and its header fits this host.
    copy: OnceLock<Result<PrivateCopy, Refusal>>,
    tokio: Handle,
    ceiling: Ceiling,
    worker: Option<WorkerCommand>,
    /// The library loaded into this process, and its description; `None` if the ceiling forbids it.
    loaded: OnceLock<Result<Option<(Code, Description)>, Refusal>>,
}

/// Where a plugin runs.
enum Placement<'a> {
    InProcess(&'a (Code, Description)),
    Worker(&'a WorkerCommand, &'a PrivateCopy),
}

impl NativePrepared {
    /// Where `isolation` and the ceiling let the plugin run; loads its library if that is in this
    /// process.
    fn placement(&self, isolation: Isolation) -> Result<Placement<'_>, Refusal> {
        match isolation {
            Isolation::Refuse => Err(self.native_refused()),
            Isolation::Process => self.in_worker(),
            Isolation::InProcess => match self.load()? {
                Some(loaded) => Ok(Placement::InProcess(loaded)),
                None if self.ceiling.beyond == Isolation::Process => self.in_worker(),
                None => Err(self.beyond_ceiling()),
            },
        }
    }

    /// Reads the header, then makes the private copy. Nothing of the library runs yet.
    fn private_copy(&self) -> Result<&PrivateCopy, Refusal> {
        let made = self.copy.get_or_init(|| {
            let artifact = self.artifact.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(artifact) = artifact else {
                return Err(Refusal::new(Reason::Staging, "expected the bytes of the library"));
            };
            header::read(&artifact.bytes).map_err(|error| {
                Refusal::new(reason_of_header(&error), error.to_string()).hint(error.hint())
            })?;
            let Some(copies) = &self.copies else {
                let message =
                    "expected a folder for private copies of native libraries, found none";
                return Err(Refusal::new(Reason::Staging, message).hint("set host.cache"));
            };
            let staged = Staging::open(copies).and_then(|copies| copies.stage(&artifact));
            staged.map_err(|error| {
                Refusal::new(Reason::Staging, error.to_string())
                    .hint("see that the folder has room and can be written to")
            })
        });
        made.as_ref().map_err(Refusal::clone)
    }

    fn in_worker(&self) -> Result<Placement<'_>, Refusal> {
        let Some(worker) = &self.worker else {
            let message = "expected a program that serves as a worker process, found none";
            return Err(Refusal::new(Reason::Isolation, message)
                .hint("the application that embeds Plugbay has to name one"));
        };
        Ok(Placement::Worker(worker, self.private_copy()?))
    }

    /// Loads the library into this process and describes the plugin, once.
    fn load(&self) -> Result<Option<&(Code, Description)>, Refusal> {
        let loaded = self.loaded.get_or_init(|| {
            let libraries = Libraries::of_this_process();
            let code = libraries
                .load(self.digest, self.private_copy()?, self.size, self.ceiling.mapped)
                .map_err(|error| refusal_of_load(&error))?;
            code.map(|code| Ok((code.clone(), code.description()?))).transpose()
        });
        loaded.as_ref().map(Option::as_ref).map_err(Refusal::clone)
    }

    fn native_refused(&self) -> Refusal {
        let file = self.source.file_name();
        let message = "native code is trusted code: expected isolation = \"process\" or \"in-process\" for \
             it, found \"refuse\"";
        Refusal::new(Reason::Isolation, message).hint(format!(
            "set it in [plugins.NAME], together with artifact = {file:?}, or in [defaults]"
        ))
    }

    fn beyond_ceiling(&self) -> Refusal {
        let message = format!(
            "expected at most {} bytes of native libraries in this process, found {} and {} more",
            self.ceiling.mapped,
            Libraries::of_this_process().mapped(),
            self.size
        );
        Refusal::new(Reason::Mapped, message).hint(
            "restart the host, raise host.mapped, or let isolation or host.mapped_beyond be \
             \"process\"",
        )
    }

    /// Adds to the refusal which file it is about.
    fn with_source(&self, refusal: Refusal) -> Refusal {
        let message = format!("{}: {}", self.source, refusal.message);
        Refusal { message, ..refusal }
    }
}

impl Prepared for NativePrepared {
    fn describe(&self, isolation: Isolation) -> Result<Description, Refusal> {
        let described = match self.placement(isolation) {
            Ok(Placement::InProcess((_, description))) => Ok(description.clone()),
            Ok(Placement::Worker(worker, copy)) => {
                worker::describe(worker, copy.path(), &self.source, &Policy::default())
            }
            Err(refusal) => Err(refusal),
        };
        described.map_err(|refusal| self.with_source(refusal))
    }

    fn is_native(&self) -> bool {
        true
    }

    fn imports(&self) -> &[String] {
        &[]
    }

    fn exports(&self) -> &[String] {
        &[]
    }

    fn code_size(&self) -> u64 {
        self.size
    }

    fn start(&self, start: StartPlugin) -> Result<Arc<dyn Plugin>, Refusal> {
        let tokio = self.tokio.clone();
        let (isolation, label) = (start.policy.isolation, Arc::clone(start.identity.label()));
        let observer = Arc::clone(&start.observer);
        let started: Result<Arc<dyn Plugin>, Refusal> = match self.placement(isolation) {
            Ok(Placement::InProcess((code, _))) => {
                // Nothing ends a library that hangs, so none has the thread of an asynchronous caller.
                InProcessPlugin::start(code.clone(), start, tokio, |_| None)
                    .map(|it| Arc::new(it) as _)
            }
            Ok(Placement::Worker(worker, copy)) => {
                let rules = RestartRules::default();
                let started =
                    ProcessPlugin::start(worker.clone(), copy.path(), start, rules, tokio);
                if started.is_ok() && isolation == Isolation::InProcess {
                    observer.notice(&label, Notice::Moved { mapped: self.ceiling.mapped });
                }
                started.map(|it| Arc::new(it.keep(copy.clone())) as _)
            }
            Err(refusal) => Err(refusal),
        };
        started.map_err(|refusal| self.with_source(refusal))
    }
}

fn reason_of_header(error: &HeaderError) -> Reason {
    match error {
        HeaderError::NoObject { .. } => Reason::UnknownFormat,
        HeaderError::Malformed { .. } => Reason::Malformed,
        HeaderError::Kind { .. } => Reason::NotALibrary,
        HeaderError::System { .. } => Reason::WrongSystem,
        HeaderError::Architecture { .. } => Reason::WrongArchitecture,
        HeaderError::NoHeader { .. } => Reason::NoHeader,
        HeaderError::Magic { .. }
        | HeaderError::HeaderSize { .. }
        | HeaderError::VtableSize { .. } => Reason::BadHeader,
        HeaderError::Version { .. } => Reason::AbiVersion,
        HeaderError::NoEntry { .. } => Reason::NoEntry,
        // As the loader of a hardened system would.
        HeaderError::ExecutableStack => Reason::Loader,
    }
}

fn refusal_of_load(error: &LoadError) -> Refusal {
    match error {
        LoadError::Open(error) => Fault::of(error).refusal(error.to_string()),
        // With this reason the host tries again later.
        LoadError::Hung { .. } | LoadError::Busy { .. } => {
            Refusal::new(Reason::Describe, error.to_string()).hint(
                "the library that hangs blocks the system's loader: end the host, and run that plugin with \
                 isolation = \"process\"",
            )
        }
    }
}
