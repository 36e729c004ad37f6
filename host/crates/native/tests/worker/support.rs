//! What the tests share: the C plugin, a host around it, and a wait with a deadline.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use plugbay_core::codec::{Codec, CodecCall, Direction};
use plugbay_core::handler::{Handler, HandlerCall};
use plugbay_core::{
    CallError, CallErrorKind, CodecInfo, Context, Correlation, Description, Identity, Observer,
    Plugin, Policy, Provider, Refusal, Services, Source, StartPlugin, Unobserved,
};
use plugbay_guard::RestartRules;
use plugbay_native::worker::{ProcessPlugin, WorkerCommand, WorkerState, describe};
use rustix::process::Signal;
use tokio::runtime::Runtime;

pub(crate) type Test = (&'static str, fn());

/// Names tests by their functions.
macro_rules! tests {
    ($($test:ident),* $(,)?) => {
        pub(crate) fn tests() -> Vec<crate::support::Test> {
            vec![$((stringify!($test), $test)),*]
        }
    };
}
pub(crate) use tests;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
static TOKIO: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static SUBSCRIBER: Mutex<Option<Subscriber>> = Mutex::new(None);

/// A function that is called with each line of the log before the line is recorded.
type Subscriber = Arc<dyn Fn(&str) + Send + Sync>;

/// Calls `with` for the lines that are logged while `what` runs.
pub(crate) fn subscribed<T>(
    with: impl Fn(&str) + Send + Sync + 'static,
    what: impl FnOnce() -> T,
) -> T {
    *SUBSCRIBER.lock().unwrap() = Some(Arc::new(with));
    let done = what();
    *SUBSCRIBER.lock().unwrap() = None;
    done
}

/// The C plugin, compiled once for each set of flags.
pub(crate) fn library(name: &str, flags: &[&str]) -> PathBuf {
    let path = FOLDER.path().join(name);
    if !path.exists() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/hostile.c");
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-fPIC", "-shared", "-pthread", "-o"]).arg(&path).args(flags).arg(source);
        assert!(cc.status().unwrap().success(), "the C plugin does not compile");
    }
    path
}

pub(crate) fn hostile() -> PathBuf {
    library("hostile.so", &[])
}

/// Describes the library in a worker.
pub(crate) fn describe_library(library: &Path, policy: &Policy) -> Result<Description, Refusal> {
    let source = Source::File(library.to_owned());
    describe(&WorkerCommand::this_program(), library, &source, policy)
}

/// A host with one codec, which reverses bytes.
struct Reverser;

impl Services for Reverser {
    fn codecs(&self) -> Vec<CodecInfo> {
        let media_types = vec!["text/one".into(), "text/two".into()];
        vec![CodecInfo { name: "other".into(), media_types }]
    }

    fn convert(
        &self,
        context: &Context<'_>,
        name: &str,
        direction: Direction,
        bytes: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        if direction == Direction::Encode {
            return Err(CallError::new(CallErrorKind::Unsupported, format!("no encoder {name}")));
        }
        assert_eq!(context.depth(), 1);
        assert_ne!(bytes, b"panic", "as asked");
        if bytes == b"wait" {
            // Longer than the deadline of the plugin.
            let until = Instant::now() + Duration::from_secs(1);
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                thread::park_timeout(left);
            }
        }
        Ok(bytes.iter().rev().copied().collect())
    }
}

/// A host of the C plugin.
pub(crate) struct Host {
    pub(crate) plugin: ProcessPlugin,
    provider: Provider,
    services: Arc<dyn Services>,
}

/// How to start a host.
pub(crate) struct Setup {
    pub(crate) library: PathBuf,
    pub(crate) command: WorkerCommand,
    pub(crate) policy: Policy,
    pub(crate) rules: RestartRules,
    pub(crate) config: &'static str,
    pub(crate) observer: Arc<dyn Observer>,
}

impl Default for Setup {
    fn default() -> Self {
        let policy =
            Policy { deadline: Duration::from_secs(10), instances: 4, ..Policy::default() };
        Self {
            library: hostile(),
            command: WorkerCommand::this_program(),
            policy,
            rules: RestartRules::default(),
            config: "ok",
            observer: Arc::new(Unobserved),
        }
    }
}

impl Setup {
    pub(crate) fn deadline(deadline: Duration) -> Self {
        let mut setup = Self::default();
        setup.policy.deadline = deadline;
        setup
    }

    pub(crate) fn start(self) -> Result<Host, Refusal> {
        let description = describe_library(&hostile(), &self.policy)?;
        let start = StartPlugin {
            identity: Identity::new("hostile", &description.version),
            description: Arc::new(description),
            config: serde_json::json!({ "create": self.config }),
            policy: self.policy,
            observer: self.observer,
        };
        let tokio = TOKIO.handle().clone();
        let plugin = ProcessPlugin::start(self.command, &self.library, start, self.rules, tokio)?;
        let provider = plugin.provide(0).unwrap();
        Ok(Host { plugin, provider, services: Arc::new(Reverser) })
    }

    pub(crate) fn host(self) -> Host {
        self.start().unwrap()
    }
}

impl Host {
    pub(crate) fn new() -> Self {
        Setup::default().host()
    }

    fn codec(&self) -> &Arc<dyn CodecCall> {
        self.provider.get::<Codec>().unwrap()
    }

    /// Calls the plugin, which does what `input` says.
    pub(crate) fn ask(&self, input: impl AsRef<[u8]>) -> Result<Vec<u8>, CallError> {
        self.codec().decode(&Context::new(&self.services), input.as_ref())
    }

    /// As [`Host::ask`], for the request with this id.
    pub(crate) fn ask_for(&self, id: &str, input: &str) -> Result<Vec<u8>, CallError> {
        let correlation = Arc::new(Correlation::default().request_id(id.parse().unwrap()));
        let context = Context::new(&self.services).correlated(&correlation);
        self.codec().decode(&context, input.as_ref())
    }

    /// As [`Host::ask`], for a caller whose deadline is this far away.
    pub(crate) fn ask_within(&self, time: Duration, input: &str) -> Result<Vec<u8>, CallError> {
        let context = Context::new(&self.services).until(Instant::now() + time);
        self.codec().decode(&context, input.as_ref())
    }

    /// As [`Host::ask`], for a call that must succeed: returns the answer as text.
    pub(crate) fn tell(&self, input: &str) -> String {
        String::from_utf8(self.ask(input).unwrap()).unwrap()
    }

    /// Encodes `input`, which comes back unchanged.
    pub(crate) fn echo(&self, input: &[u8]) -> Result<Vec<u8>, CallError> {
        self.codec().encode(&Context::new(&self.services), input)
    }

    /// As [`Host::ask`], for a call that must fail: returns the kind and the text of the error.
    pub(crate) fn fails(&self, input: &str) -> (CallErrorKind, String) {
        let error = self.ask(input).unwrap_err();
        (error.kind(), error.to_string())
    }

    pub(crate) fn handle(
        &self,
        request: plugbay_core::handler::Request,
    ) -> Result<plugbay_core::handler::Response, CallError> {
        let provider = self.plugin.provide(1).unwrap();
        let handler: Arc<dyn HandlerCall> = Arc::clone(provider.get::<Handler>().unwrap());
        TOKIO.block_on(handler.handle(Context::new(&self.services), request))
    }

    /// The answer, or `None` if it takes longer than `timeout`; the call is then dropped.
    pub(crate) fn handle_for(
        &self,
        timeout: Duration,
        request: plugbay_core::handler::Request,
    ) -> Option<Result<plugbay_core::handler::Response, CallError>> {
        let provider = self.plugin.provide(1).unwrap();
        let handler: Arc<dyn HandlerCall> = Arc::clone(provider.get::<Handler>().unwrap());
        TOKIO.block_on(async {
            let answer = handler.handle(Context::new(&self.services), request);
            tokio::time::timeout(timeout, answer).await.ok()
        })
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        match self.plugin.state() {
            WorkerState::Running { pid, .. } => Some(pid),
            _ => None,
        }
    }
}

/// Polls until `done` returns a value.
pub(crate) fn eventually<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(done) = done() {
            return done;
        }
        assert!(Instant::now() < deadline, "expected {what} within 20 s");
        thread::park_timeout(Duration::from_millis(2));
    }
}

pub(crate) fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    let _ = rustix::process::kill_process(pid, signal);
}

/// The threads of this process that belong to workers, by name.
pub(crate) fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    // The main thread is named after the test program, whose name also begins with `worker-`.
    let main = std::process::id().to_string();
    let tasks = tasks.filter(|task| task.as_ref().unwrap().file_name() != *main);
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
    let names = tasks.filter_map(|task| name(task.ok()?));
    names.filter(|name| name.starts_with("worker-")).collect()
}

/// Whether the process is neither running nor a zombie of a parent that still may reap it.
pub(crate) fn is_gone(pid: u32) -> bool {
    stat(&pid.to_string()).is_none_or(|(state, _)| state == "Z")
}

/// The state and the parent of a process.
fn stat(pid: &str) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// The processes that this one has not reaped.
pub(crate) fn children() -> usize {
    let names = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| stat(&name)).filter(|(_, parent)| *parent == std::process::id()).count()
}

/// The open descriptors of this process.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The mappings of this process that it shares with workers.
pub(crate) fn shared_mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains("/memfd:plugbay-lanes")).count()
}

/// Keeps every log line for [`logged`].
pub(crate) fn record_logs() {
    struct Log;
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let subscriber = SUBSCRIBER.lock().unwrap().clone();
            if let Some(subscriber) = subscriber {
                subscriber(&String::from_utf8_lossy(bytes));
            }
            LOG.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).init();
}

/// The lines that contain `what`.
pub(crate) fn logged(what: &str) -> Vec<String> {
    let log = LOG.lock().unwrap();
    let log = String::from_utf8_lossy(&log);
    log.lines().filter(|line| line.contains(what)).map(str::to_owned).collect()
}
