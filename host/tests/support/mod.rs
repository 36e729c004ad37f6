//! Helpers of the tests: a place on disk, a host that serves it, and assertions that wait.
//!
//! ```text
//! let site = place().plugin("a.wasm", Guest::codec("a").stamp("1")).host();
//! site.drop_in("a.wasm", not_wasm());
//! site.refuses("a.wasm", Reason::UnknownFormat, &["expected a WebAssembly component"]);
//! assert_eq!(site.encode("a"), "1");
//! ```

#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod lines;
pub(crate) mod puppet;

use std::fs::{self, File};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant, SystemTime};

use plugbay::config::Layers;
use plugbay::wasm::Engine;
use plugbay::{
    BuildError, Builder, Error, Event, Events, Host, Outcome, PluginStatus, Reason, Rejected,
    Report, Request,
};
use plugbay_fixtures::Guest;
use tempfile::TempDir;

/// How long a condition may take to become true on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Blocks until `done` returns true.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + TIMEOUT;
    while !done() {
        assert!(Instant::now() < end, "{what}: not within {TIMEOUT:?}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Runs a future on a new runtime, and returns its result.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Polls a future once; returns whether it is done.
pub(crate) fn is_done<T>(future: &mut Pin<Box<impl Future<Output = T>>>) -> bool {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// A request with this body.
pub(crate) fn request(body: &str) -> Request {
    Request { method: "POST".into(), body: body.into(), ..Request::default() }
}

/// The bytes of a file.
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl From<Guest> for Bytes {
    fn from(guest: Guest) -> Self {
        Self(guest.build())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

/// A new, empty place.
pub(crate) fn place() -> Place {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("plugins")).unwrap();
    let (host, rest) = Default::default();
    Place { root, host, rest, cache: "cache".into(), watch: true, linked: false, engine: None }
}

/// A place with the good first version of `a`, and a neighbour.
pub(crate) fn neighbours() -> Place {
    place()
        .plugin("a.wasm", Guest::codec("a").stamp("good"))
        .plugin("neighbour.wasm", Guest::codec("neighbour").stamp("here"))
}

/// Asserts that the [`neighbours`] still serve their first versions.
pub(crate) fn assert_neighbours_serve(site: &Site) {
    assert_eq!((site.encode("a"), site.encode("neighbour")), ("good".into(), "here".into()));
}

/// A folder with `config.toml`, `plugins` and `cache`.
pub(crate) struct Place {
    root: TempDir,
    host: String,
    rest: String,
    cache: String,
    watch: bool,
    linked: bool,
    engine: Option<Engine>,
}

impl Place {
    /// Adds a file to the plugin folder.
    #[must_use]
    pub(crate) fn plugin(self, file: &str, bytes: impl Into<Bytes>) -> Self {
        drop_in(&self.root.path().join("plugins").join(file), &bytes.into().0);
        self
    }

    /// Adds a line to `[host]`.
    #[must_use]
    pub(crate) fn host_key(mut self, line: &str) -> Self {
        self.host += line;
        self.host.push('\n');
        self
    }

    /// Adds sections to `config.toml`.
    #[must_use]
    pub(crate) fn config(mut self, sections: &str) -> Self {
        sections.clone_into(&mut self.rest);
        self
    }

    /// Disables the watcher and the rescan: the host reconciles only when the test requests it.
    #[must_use]
    pub(crate) fn unwatched(mut self) -> Self {
        self.watch = false;
        self
    }

    /// Enables the plugins that are linked into the test program.
    #[must_use]
    pub(crate) fn linked(mut self) -> Self {
        self.linked = true;
        self
    }

    /// Keeps compiled code in another folder, which outlives the place.
    #[must_use]
    pub(crate) fn cache(mut self, folder: &Path) -> Self {
        folder.to_str().expect("a path in UTF-8").clone_into(&mut self.cache);
        self
    }

    /// Sets the engine.
    #[must_use]
    pub(crate) fn engine(mut self, engine: &Engine) -> Self {
        self.engine = Some(engine.clone());
        self
    }

    /// Removes the plugin folder.
    #[must_use]
    pub(crate) fn without_folder(self) -> Self {
        fs::remove_dir_all(self.root.path().join("plugins")).unwrap();
        self
    }

    /// A path in the place.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The text of `config.toml` with these sections. The rescan is too slow for the tests, so that
    /// they test the watcher.
    fn text(&self, sections: &str) -> String {
        let own = if self.host.contains("drain") { "" } else { "drain = \"60s\"\n" };
        format!(
            "[host]\nplugins = \"plugins\"\ncache = {:?}\nlinked = {}\n\
             debounce = \"10ms\"\nrescan = \"1day\"\n{own}{}\n{sections}",
            self.cache, self.linked, self.host
        )
    }

    fn builder(&self) -> Builder {
        lines::listen();
        drop_in(&self.path("config.toml"), self.text(&self.rest).as_bytes());
        let layers = Layers::default().file(self.path("config.toml"));
        let builder = Host::builder().layers(layers).watch(self.watch);
        match &self.engine {
            Some(engine) => builder.engine(engine.clone()),
            None => builder,
        }
    }

    /// Starts a host in this place.
    pub(crate) fn host(self) -> Site {
        self.host_with(|builder| builder)
    }

    /// Starts a host in this place, with other settings of its builder.
    pub(crate) fn host_with(self, setup: impl FnOnce(Builder) -> Builder) -> Site {
        let host = setup(self.builder()).build_blocking().unwrap();
        // On a busy machine the first generation may not wait for all plugins.
        while !host.preparing().is_empty() {
            let _ = host.reload_blocking();
        }
        let events = Mutex::new((host.subscribe(), Vec::new()));
        Site { host, place: self, events }
    }

    /// Expects that no host starts, and returns the error.
    pub(crate) fn expect_build_error(self) -> BuildError {
        self.builder().build_blocking().unwrap_err()
    }
}

/// Writes a file under another name, and then renames it. Its modification time is in the past, so
/// that a truncated file counts as truncated.
pub(crate) fn drop_in(path: &Path, bytes: &[u8]) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let half = path.with_file_name(format!(".{name}.part"));
    fs::write(&half, bytes).unwrap();
    let file = File::options().append(true).open(&half).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(10)).unwrap();
    drop(file);
    fs::rename(&half, path).unwrap();
}

/// A host, the place that it serves, and its events since it started.
pub(crate) struct Site {
    pub(crate) host: Host,
    pub(crate) place: Place,
    events: Mutex<(Events, Vec<Event>)>,
}

impl Deref for Site {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Site {
    /// A path in the plugin folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.place.path("plugins").join(name)
    }

    pub(crate) fn drop_in(&self, file: &str, bytes: impl Into<Bytes>) {
        drop_in(&self.file(file), &bytes.into().0);
    }

    pub(crate) fn remove(&self, file: &str) {
        fs::remove_file(self.file(file)).unwrap();
    }

    /// Replaces the sections of `config.toml` after `[host]`.
    pub(crate) fn configure(&self, sections: &str) {
        drop_in(&self.place.path("config.toml"), self.place.text(sections).as_bytes());
    }

    /// Encodes null with the codec, and returns the stamp of its version.
    pub(crate) fn encode(&self, codec: &str) -> String {
        let bytes = self.host.codec(codec).unwrap().encode_document(&[]).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Calls the handler with this body.
    pub(crate) fn handle(&self, handler: &str, body: &str) -> Result<String, Error> {
        let response = wait(self.host.handler(handler)?.handle(request(body)))?;
        Ok(String::from_utf8(response.body).unwrap())
    }

    /// Reconciles now.
    pub(crate) fn reconcile(&self) -> Report {
        self.host.reload_blocking()
    }

    /// Shuts the host down, and starts another one in the same place.
    pub(crate) fn restart(self) -> Self {
        self.restart_with(|builder| builder)
    }

    /// As [`Site::restart`], with other settings of the builder.
    pub(crate) fn restart_with(self, setup: impl FnOnce(Builder) -> Builder) -> Self {
        let Self { host, place, .. } = self;
        wait(host.shutdown(TIMEOUT));
        drop(host);
        place.host_with(setup)
    }

    /// Causes a reconciliation by an unrelated change, and asserts that the file is still rejected.
    pub(crate) fn assert_still_refused(&self, source: &str) {
        let before = self.rejected(source).unwrap();
        self.drop_in("note.wasm", b"a file of no plugin".as_slice());
        until("the reconciliation", || self.rejected("note.wasm").is_some());
        assert_eq!(self.rejected(source), Some(before));
        self.remove("note.wasm");
    }

    /// Blocks until the codec answers with this stamp.
    pub(crate) fn answers(&self, codec: &str, stamp: &str) {
        until(&format!("codec {codec} answers {stamp:?}"), || {
            let Ok(codec) = self.host.codec(codec) else { return false };
            codec.encode_document(&[]).is_ok_and(|bytes| bytes == stamp.as_bytes())
        });
    }

    /// The running plugin.
    pub(crate) fn running(&self, name: &str) -> Option<PluginStatus> {
        self.status().plugins.into_iter().find(|plugin| plugin.name == name)
    }

    /// The rejection whose source ends with this.
    pub(crate) fn rejected(&self, source: &str) -> Option<Rejected> {
        self.status().rejected.into_iter().find(|it| it.source.ends_with(source))
    }

    /// Blocks until the file is refused for this reason. Asserts that the message has all the
    /// parts, and that an event reported the same.
    pub(crate) fn refuses(&self, source: &str, reason: Reason, parts: &[&str]) -> Rejected {
        until(&format!("{source} is refused as {reason}"), || {
            self.rejected(source).is_some_and(|it| it.reason == reason)
        });
        let rejected = self.rejected(source).unwrap();
        for part in parts {
            assert!(rejected.message.contains(part), "{part:?} in {:?}", rejected.message);
        }
        self.wait_for_event("the refusal", |outcome| match outcome {
            Outcome::Rejected { source, reason: found, message, .. } => {
                (source, found, message) == (&rejected.source, &reason, &rejected.message)
            }
            _ => false,
        });
        rejected
    }

    /// Blocks until the file is no longer rejected, and an event reported it.
    pub(crate) fn recovers(&self, source: &str) {
        until(&format!("{source} is no longer refused"), || self.rejected(source).is_none());
        self.wait_for_event("the recovery", |outcome| match outcome {
            Outcome::Recovered { source: it } => it.ends_with(source),
            _ => false,
        });
    }

    /// Blocks until there is or was such an event.
    pub(crate) fn wait_for_event(&self, what: &str, matches: impl Fn(&Outcome) -> bool) {
        until(&format!("{what} among {:#?}", self.outcomes()), || {
            self.outcomes().iter().any(&matches)
        });
    }

    /// All events since the start.
    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(event) = events.0.try_recv() {
            events.1.push(event);
        }
        events.1.iter().map(|event| event.outcome.clone()).collect()
    }

    /// How many such events there were.
    pub(crate) fn count(&self, matches: impl Fn(&Outcome) -> bool) -> usize {
        self.outcomes().iter().filter(|outcome| matches(outcome)).count()
    }
}
