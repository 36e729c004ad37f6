//! The hosts in which cases run: the library's own, with the one plugin in it.

use std::fs;
use std::path::{Path, PathBuf};

use plugbay::config::Layers;
use plugbay::{
    CallOptions, CodecHandle, Config, Document, Error, HandlerHandle, Host, NotFound, Request,
    Response, RouteMatch,
};
use plugbay_server::document::Form;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use toml::{Table, Value};

use super::answer::Answer;
use super::case::{Call, Case, Setup};
use crate::cli::failure::Failure;
use crate::cli::source;

/// The folder of the plugin, in the folder of a run.
const PLUGINS: &str = "plugins";

/// The hosts of a run, one for each set of config and grants.
pub(in super::super) struct Hosts {
    /// The plugin's name, under which its configuration stands.
    name: String,
    runtime: Runtime,
    built: Vec<(Setup, Host)>,
    /// A folder with the plugin alone, and with what is compiled of it. Dropped after the hosts.
    folder: TempDir,
}

impl Hosts {
    /// Hosts of the plugin in this file.
    pub(in super::super) fn of(artifact: &Path) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let plugins = folder.path().join(PLUGINS);
        fs::create_dir(&plugins)?;
        fs::copy(artifact, plugins.join(artifact.file_name().unwrap_or_default()))?;
        let (runtime, built) = (source::runtime()?, Vec::new());
        let mut hosts = Self { name: String::new(), runtime, built, folder };
        // A host without plugins: this one may not start without its configuration.
        let mut empty = hosts.settings(String::new()).load()?;
        empty.host.plugins = PathBuf::new();
        let bare = source::builder().config(empty).watch(false).build_blocking()?;
        bare.inspect_file(artifact)?.description.name.clone_into(&mut hosts.name);
        Ok(hosts)
    }

    /// The settings of every host. Native code runs in a worker process.
    fn settings(&self, text: String) -> Layers {
        let below = |name: &str| self.folder.path().join(name).display().to_string();
        Config::builder()
            .text(text, "case.toml")
            .set("host.plugins", below(PLUGINS))
            .set("host.cache", below("cache"))
            .set("host.linked", "false")
            .set("defaults.isolation", "process")
            // Cases that expect a failure are no reason to stop calling.
            .set("defaults.breaker_failures", "0")
            .set("defaults.health_every", "0s")
    }

    /// The call of a case, with all that it needs.
    pub(in super::super) fn ready(&mut self, case: &Case) -> Result<Ready<'_>, Failure> {
        let host = self.host(&case.setup)?;
        let missing = |missed: NotFound| source::missing(&host, &missed);
        let call = match &case.call {
            Call::Encode { codec, json } => {
                ReadyCall::Encode(host.codec(codec).map_err(missing)?, Form::Json.read(json)?)
            }
            Call::Decode { codec, bytes } => {
                ReadyCall::Decode(host.codec(codec).map_err(missing)?, bytes.clone())
            }
            Call::Handle { handler, request } => {
                ReadyCall::Handle(host.handler(handler).map_err(missing)?, request.clone())
            }
        };
        Ok(Ready { runtime: &self.runtime, host, call })
    }

    /// The most memory that the plugin has used, in bytes.
    pub(in super::super) fn peak_memory(&self) -> u64 {
        let statuses = self.built.iter().flat_map(|(_, host)| host.status().plugins);
        statuses.map(|plugin| plugin.stats.peak_memory.max(plugin.stats.memory)).max().unwrap_or(0)
    }

    /// The host for this setup.
    fn host(&mut self, setup: &Setup) -> Result<Host, Failure> {
        if let Some((_, host)) = self.built.iter().find(|(built, _)| built == setup) {
            return Ok(host.clone());
        }
        let host = self.build(setup)?;
        self.built.push((setup.clone(), host.clone()));
        Ok(host)
    }

    fn build(&self, setup: &Setup) -> Result<Host, Failure> {
        let mut plugin = Table::new();
        plugin.insert("config".to_owned(), Value::Table(setup.config.clone()));
        plugin.insert("grants".to_owned(), Value::Table(setup.grants.clone()));
        let plugins = Table::from_iter([(self.name.clone(), Value::Table(plugin))]);
        let text = Table::from_iter([("plugins".to_owned(), Value::Table(plugins))]).to_string();
        let linked = if setup.codecs { "true" } else { "false" };
        let config = self.settings(text).set("host.linked", linked).load()?;
        let host = source::builder().config(config).watch(false).build_blocking()?;
        let snapshot = host.snapshot();
        if let Some(refused) = snapshot.rejected().first() {
            return Err(Failure::new(format!("{}: {}", refused.reason, refused.message)));
        }
        Ok(host)
    }
}

/// A call that can be made again and again.
pub(in super::super) struct Ready<'a> {
    runtime: &'a Runtime,
    host: Host,
    call: ReadyCall,
}

enum ReadyCall {
    Encode(CodecHandle, Document),
    Decode(CodecHandle, Vec<u8>),
    Handle(HandlerHandle, Request),
}

impl Ready<'_> {
    /// Makes the call.
    pub(in super::super) fn call(&self) -> Answer {
        let answer = match &self.call {
            ReadyCall::Encode(codec, document) => {
                codec.encode_document(document.as_cbor()).map(Answer::Bytes)
            }
            ReadyCall::Decode(codec, bytes) => codec.decode_document(bytes).map(Answer::Document),
            ReadyCall::Handle(handler, request) => {
                self.runtime.block_on(self.handle(handler, request)).map(Answer::Response)
            }
        };
        answer.unwrap_or_else(|error| Answer::failed(&error))
    }

    /// Calls the handler by its route, if one leads to it: the route has the parameters of the path.
    async fn handle(&self, handler: &HandlerHandle, request: &Request) -> Result<Response, Error> {
        match self.host.snapshot().route(&request.method, &request.path) {
            RouteMatch::Found(routed) if routed.handler() == handler.name() => {
                routed.handle(CallOptions::default(), request.clone()).await
            }
            _ => handler.handle(request.clone()).await,
        }
    }
}
