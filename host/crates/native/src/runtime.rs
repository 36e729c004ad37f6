//! Plugins that are dynamic libraries, loaded into a worker or into this process.

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
use crate::in_process::plugin::NativePlugin;
use crate::worker::{self, ProcessPlugin, WorkerCommand};

/// Runs plugins that are dynamic libraries: in worker processes, or in this one.
#[derive(Debug)]
pub struct NativeRuntime {
    /// Where the private copies are; made for the first library. None: nowhere.
    copies: Option<PathBuf>,
    tokio: Handle,
    ceiling: Ceiling,
    worker: Option<WorkerCommand>,
}

/// How much of native libraries may be mapped into this process. What is loaded stays, old
/// versions too, so every new version adds to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ceiling {
    /// Bytes of library files; 0 is no limit.
    pub mapped: u64,
    /// Where a plugin goes that would be beyond it: to a worker process, or nowhere.
    pub beyond: Isolation,
}

impl NativeRuntime {
    /// A runtime that loads from private copies in the folder `copies`, from which it removes what
    /// hosts that ended a day ago left there. Without such a folder it refuses all libraries.
    /// Handlers run on `tokio`'s threads for blocking work. Without more, it loads into this
    /// process only, and without a limit.
    #[must_use]
    pub fn new(copies: impl Into<Option<PathBuf>>, tokio: Handle) -> Self {
        let copies = copies.into();
        if let Some(copies) = &copies {
            sweep(copies);
        }
        Self { copies, tokio, ceiling: Ceiling::default(), worker: None }
    }

    /// Bounds what is mapped into this process.
    #[must_use]
    pub fn ceiling(self, ceiling: Ceiling) -> Self {
        Self { ceiling, ..self }
    }

    /// Says which program serves as a worker.
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

    /// Does nothing yet: what native code may not run is neither read nor copied.
    fn prepare(&self, artifact: &Artifact) -> Result<Arc<dyn Prepared>, Refusal> {
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
            opened: OnceLock::new(),
        }))
    }
}

/// How long a copy stays that nobody uses: what is loaded once a day is copied once.
const UNUSED: Duration = Duration::from_hours(24);

/// Removes the copies that are left from hosts that ended. That it fails is no reason not to
/// start: whoever loads a library is told what is wrong with the folder.
fn sweep(copies: &Path) {
    if !copies.exists() {
        return;
    }
    let swept = Staging::open(copies).map_err(|error| error.to_string());
    match swept.and_then(|copies| copies.sweep(UNUSED).map_err(|error| error.to_string())) {
        Ok(0) => {}
        Ok(removed) => tracing::debug!(removed, "removed private copies that nobody uses"),
        Err(error) => tracing::debug!(error, "private copies stay that nobody may use"),
    }
}

/// A library.
struct NativePrepared {
    source: Source,
    digest: Digest,
    size: u64,
    /// Until its private copy is made.
    artifact: Mutex<Option<Artifact>>,
    copies: Option<PathBuf>,
    /// Made once it is known that it may run somewhere, and that its header fits.
    copy: OnceLock<Result<PrivateCopy, Refusal>>,
    tokio: Handle,
    ceiling: Ceiling,
    worker: Option<WorkerCommand>,
    /// Loaded into this process and described, once; `None` if the ceiling forbids it.
    opened: OnceLock<Result<Option<(Code, Description)>, Refusal>>,
}

/// Where a plugin runs, now that it is known to.
enum Room<'a> {
    Here(&'a (Code, Description)),
    Worker(&'a WorkerCommand, &'a PrivateCopy),
}

impl NativePrepared {
    /// Where `isolation` and the ceiling let it run; loads it if that is here.
    fn room(&self, isolation: Isolation) -> Result<Room<'_>, Refusal> {
        match isolation {
            Isolation::Refuse => Err(self.not_allowed()),
            Isolation::Process => self.a_worker(),
            Isolation::InProcess => match self.opened()? {
                Some(opened) => Ok(Room::Here(opened)),
                None if self.ceiling.beyond == Isolation::Process => self.a_worker(),
                None => Err(self.beyond()),
            },
        }
    }

    /// Reads the header, then makes the private copy. Nothing of the library runs: it is loaded
    /// when it is asked to describe itself.
    fn copy(&self) -> Result<&PrivateCopy, Refusal> {
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

    fn a_worker(&self) -> Result<Room<'_>, Refusal> {
        let Some(worker) = &self.worker else {
            let message = "expected a program that serves as a worker process, found none";
            return Err(Refusal::new(Reason::Isolation, message)
                .hint("the application that embeds Plugbay has to name one"));
        };
        Ok(Room::Worker(worker, self.copy()?))
    }

    fn opened(&self) -> Result<Option<&(Code, Description)>, Refusal> {
        let opened = self.opened.get_or_init(|| {
            let libraries = Libraries::of_this_process();
            let code = libraries
                .load(self.digest, self.copy()?, self.size, self.ceiling.mapped)
                .map_err(|error| refusal_of_load(&error))?;
            code.map(|code| Ok((code.clone(), code.description()?))).transpose()
        });
        opened.as_ref().map(Option::as_ref).map_err(Refusal::clone)
    }

    fn not_allowed(&self) -> Refusal {
        let file = self.source.file_name();
        let message = "native code is trusted code: expected isolation = \"process\" or \"in-process\" for \
             it, found \"refuse\"";
        Refusal::new(Reason::Isolation, message).hint(format!(
            "set it in [plugins.NAME], together with artifact = {file:?}, or in [defaults]"
        ))
    }

    fn beyond(&self) -> Refusal {
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

    /// Says which file the refusal is about.
    fn named(&self, refusal: Refusal) -> Refusal {
        let message = format!("{}: {}", self.source, refusal.message);
        Refusal { message, ..refusal }
    }
}

impl Prepared for NativePrepared {
    fn describe(&self, isolation: Isolation) -> Result<Description, Refusal> {
        let described = match self.room(isolation) {
            Ok(Room::Here((_, description))) => Ok(description.clone()),
            Ok(Room::Worker(worker, copy)) => {
                worker::describe(worker, copy.path(), &Policy::default())
            }
            Err(refusal) => Err(refusal),
        };
        described.map_err(|refusal| self.named(refusal))
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
        let (asked, label) = (start.policy.isolation, Arc::clone(start.identity.label()));
        let observer = Arc::clone(&start.observer);
        let started: Result<Arc<dyn Plugin>, Refusal> = match self.room(asked) {
            Ok(Room::Here((code, _))) => {
                NativePlugin::start(code.clone(), start, tokio).map(|it| Arc::new(it) as _)
            }
            Ok(Room::Worker(worker, copy)) => {
                let rules = RestartRules::default();
                let started =
                    ProcessPlugin::start(worker.clone(), copy.path(), start, rules, tokio);
                if started.is_ok() && asked == Isolation::InProcess {
                    observer.notice(&label, Notice::Moved { mapped: self.ceiling.mapped });
                }
                started.map(|it| Arc::new(it.keep(copy.clone())) as _)
            }
            Err(refusal) => Err(refusal),
        };
        started.map_err(|refusal| self.named(refusal))
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
        // The loader of a hardened system refuses it, too.
        HeaderError::ExecutableStack => Reason::Loader,
    }
}

fn refusal_of_load(error: &LoadError) -> Refusal {
    match error {
        LoadError::Open(error) => Fault::of(error).refusal(error.to_string()),
        // The word that has it asked again later.
        LoadError::Hung { .. } | LoadError::Busy { .. } => {
            Refusal::new(Reason::Describe, error.to_string()).hint(
                "the one that hangs holds the system's loader: kill the host, and run it with isolation = \
                 \"process\"",
            )
        }
    }
}
