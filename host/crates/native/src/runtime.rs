//! Plugins that are dynamic libraries, loaded into this process.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use plugbay_abi::host::{Guest, Incompatible};
use plugbay_core::{
    Artifact, Description, Digest, Plugin, Prepared, Reason, Refusal, Runtime, Source, StartPlugin,
};
use tokio::runtime::Handle;

use crate::describe::describe;
use crate::header::{self, HeaderError};
use crate::libraries::Libraries;
use crate::library::OpenError;
use crate::plugin::NativePlugin;
use crate::staging::Staging;

/// Runs plugins that are dynamic libraries, in this process.
#[derive(Debug)]
pub struct NativeRuntime {
    staging: Staging,
    tokio: Handle,
}

impl NativeRuntime {
    /// A runtime that loads from private copies in `staging`. Handlers run on `tokio`'s threads
    /// for blocking work.
    #[must_use]
    pub fn new(staging: Staging, tokio: Handle) -> Self {
        Self { staging, tokio }
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

    /// Reads the header and makes the private copy. Nothing of the library runs: it is loaded
    /// when it is asked to describe itself.
    fn prepare(&self, artifact: &Artifact) -> Result<Arc<dyn Prepared>, Refusal> {
        header::read(&artifact.bytes).map_err(|error| {
            let message = format!("{}: {error}", artifact.source);
            Refusal::new(reason_of_header(&error), message).hint(error.hint())
        })?;
        let path = self.staging.stage(artifact).map_err(|error| {
            Refusal::new(Reason::Staging, format!("{}: {error}", artifact.source))
                .hint("see that the folder has room and can be written to")
        })?;
        Ok(Arc::new(NativePrepared {
            source: artifact.source.clone(),
            digest: artifact.digest,
            path,
            size: artifact.bytes.len() as u64,
            tokio: self.tokio.clone(),
            opened: OnceLock::new(),
        }))
    }
}

/// A library whose header fits, and its private copy.
struct NativePrepared {
    source: Source,
    digest: Digest,
    path: PathBuf,
    size: u64,
    tokio: Handle,
    /// Loaded and described, once.
    opened: OnceLock<Result<(Guest, Description), Refusal>>,
}

impl NativePrepared {
    fn opened(&self) -> Result<&(Guest, Description), Refusal> {
        let opened = self.opened.get_or_init(|| {
            let guest = Libraries::of_this_process()
                .load(self.digest, &self.path, self.size)
                .map_err(|error| refusal_of_open(&error))?;
            Ok((guest, describe(guest)?))
        });
        opened.as_ref().map_err(|refusal| self.named(refusal.clone()))
    }

    /// Says which file the refusal is about.
    fn named(&self, refusal: Refusal) -> Refusal {
        let message = format!("{}: {}", self.source, refusal.message);
        Refusal { message, ..refusal }
    }
}

impl Prepared for NativePrepared {
    fn describe(&self) -> Result<Description, Refusal> {
        self.opened().map(|(_, description)| description.clone())
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
        let (guest, _) = self.opened()?;
        let plugin = NativePlugin::start(*guest, start, self.tokio.clone())
            .map_err(|refusal| self.named(refusal))?;
        Ok(Arc::new(plugin))
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
    }
}

fn refusal_of_open(error: &OpenError) -> Refusal {
    let refusal = |reason| Refusal::new(reason, error.to_string());
    match error {
        OpenError::Load { .. } => refusal(Reason::Loader)
            .hint("install the library that it needs, or link that one statically"),
        OpenError::Entry { .. } => refusal(Reason::NoEntry).hint("export it"),
        OpenError::Panicked { .. } => {
            refusal(Reason::NoEntry).hint("let it return a static vtable")
        }
        OpenError::Incompatible { source: Incompatible::Version { .. }, .. } => {
            refusal(Reason::AbiVersion)
                .hint("rebuild it with the plugbay-sdk or the plugbay.h of this host")
        }
        OpenError::Incompatible { .. } => refusal(Reason::BadHeader)
            .hint("return a static vtable whose size is that of its struct"),
    }
}
