//! A plugin folder, a folder for private copies, and a runtime on them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use plugbay_core::codec::{Codec, CodecCall, Direction};
use plugbay_core::document::Document;
use plugbay_core::{
    Artifact, CallError, CallErrorKind, CodecInfo, Context, Identity, Isolation, Observer, Plugin,
    Policy, Prepared, Refusal, Runtime as _, Services, Source, StartPlugin, Unobserved,
};
use plugbay_native::NativeRuntime;
use serde_json::{Value, json};

pub(crate) struct Site {
    folder: tempfile::TempDir,
    runtime: NativeRuntime,
    tokio: tokio::runtime::Runtime,
}

/// A started plugin, and what calls to it need.
pub(crate) struct Started {
    pub(crate) plugin: Arc<dyn Plugin>,
    services: Arc<dyn Services>,
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let runtime = NativeRuntime::new(folder.path().join("copies"), tokio.handle().clone());
        Self { folder, runtime, tokio }
    }

    /// Where plugins are dropped.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn runtime(&self) -> &NativeRuntime {
        &self.runtime
    }

    pub(crate) fn tokio(&self) -> &tokio::runtime::Runtime {
        &self.tokio
    }

    /// The artifact that a host reads from a dropped file.
    pub(crate) fn read(path: &Path) -> Artifact {
        Artifact::new(Source::File(path.to_owned()), std::fs::read(path).unwrap())
    }

    /// Writes a file and prepares it, as a host does with one that is dropped.
    pub(crate) fn drop(&self, name: &str, bytes: &[u8]) -> Result<Arc<dyn Prepared>, Refusal> {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        self.runtime.prepare(&Self::read(&path))
    }

    /// Prepares, describes and starts a dropped file, as a host does.
    pub(crate) fn run(&self, path: &Path, config: Value) -> Result<Started, Refusal> {
        Self::start(&*self.runtime.prepare(&Self::read(path))?, config)
    }

    pub(crate) fn start(prepared: &dyn Prepared, config: Value) -> Result<Started, Refusal> {
        Self::start_within(Policy::default().init, prepared, config)
    }

    /// Starts a plugin each of whose steps may take `init`.
    pub(crate) fn start_within(
        init: Duration,
        prepared: &dyn Prepared,
        config: Value,
    ) -> Result<Started, Refusal> {
        let policy = Policy { output: 1 << 20, init, ..Policy::default() };
        Self::start_under(policy, Arc::new(Unobserved), prepared, config)
    }

    /// Starts a plugin under a policy, in this process.
    pub(crate) fn start_under(
        policy: Policy,
        observer: Arc<dyn Observer>,
        prepared: &dyn Prepared,
        config: Value,
    ) -> Result<Started, Refusal> {
        let description = Arc::new(prepared.describe(Isolation::InProcess)?);
        let plugin = prepared.start(StartPlugin {
            identity: Identity::new(&description.name, &description.version),
            description,
            config,
            policy: Policy { isolation: Isolation::InProcess, ..policy },
            observer,
        })?;
        Ok(Started { plugin, services: Arc::new(Json) })
    }

    /// The refusal of a file that cannot run.
    pub(crate) fn refusal(&self, path: &Path) -> Refusal {
        self.run(path, json!({})).err().expect("a refusal")
    }
}

impl Started {
    fn codec(&self, index: u32) -> Arc<dyn CodecCall> {
        Arc::clone(self.plugin.provide(index).unwrap().get::<Codec>().unwrap())
    }

    pub(crate) fn services(&self) -> &Arc<dyn Services> {
        &self.services
    }

    pub(crate) fn encode(&self, index: u32, document: &[u8]) -> Result<Vec<u8>, CallError> {
        self.codec(index).encode(&Context::new(&self.services), document)
    }

    pub(crate) fn decode(&self, index: u32, bytes: &[u8]) -> Result<Vec<u8>, CallError> {
        self.codec(index).decode(&Context::new(&self.services), bytes)
    }
}

/// A host with one other codec, `json`.
struct Json;

fn no_codec(name: &str) -> CallError {
    CallError::new(CallErrorKind::Unsupported, format!("no codec {name}"))
}

fn invalid(error: &impl ToString) -> CallError {
    CallError::new(CallErrorKind::InvalidInput, error.to_string())
}

impl Services for Json {
    fn codecs(&self) -> Vec<CodecInfo> {
        vec![CodecInfo { name: "json".into(), media_types: vec!["application/json".into()] }]
    }

    fn convert(
        &self,
        context: &Context<'_>,
        name: &str,
        direction: Direction,
        input: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        assert_eq!(context.depth(), 1);
        if name != "json" {
            return Err(no_codec(name));
        }
        match direction {
            Direction::Encode => {
                let document = Document::from_cbor(input).map_err(|error| invalid(&error))?;
                serde_json::to_vec(&document).map_err(|error| invalid(&error))
            }
            Direction::Decode => {
                let document = serde_json::from_slice::<Document>(input);
                Ok(document.map_err(|error| invalid(&error))?.into_cbor())
            }
        }
    }
}
