//! The host that a command asks: the running one by its admin plane, or one made here.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper_util::rt::TokioIo;
use indicatif::{ProgressBar, ProgressStyle};
use plugbay::worker::{CompilerCommand, WorkerCommand};
use plugbay::{Builder, Config, Host, NotFound};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::failure::Failure;
use super::globals::Globals;

/// How long a running host may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to start the plugins of another generation.
const MUCH_PATIENCE: Duration = Duration::from_secs(300);
/// The largest answer of an admin plane.
const LARGEST: usize = 64 << 20;
/// Work that takes longer than this shows that it goes on.
const SOON: Duration = Duration::from_millis(300);

/// An async runtime for one command.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(format!("expected threads to run on: {error}")))
}

/// What every host of this program is built from: it is its own worker, and its own compiler.
pub(super) fn builder() -> Builder {
    let worker = WorkerCommand::this_program();
    Host::builder().worker(worker).compiler(CompilerCommand::this_program())
}

/// Builds a host in this process that serves nobody, and looks once.
pub(super) fn here(globals: &Globals) -> Result<Host, Failure> {
    let builder = builder().layers(globals.layers()).watch(false);
    let progress = Progress::new(globals);
    let host = progress.during("preparing plugins", || builder.build_blocking())?;
    Ok(host)
}

/// The codec or handler `name` is not there. What was refused may be why.
pub(super) fn missing(host: &Host, missed: &NotFound) -> Failure {
    let refused = host.status().rejected;
    let refused = refused.iter().map(|it| format!("refused: {}: {}", it.source, it.message));
    Failure::new(missed.to_string()).hint(refused.collect::<Vec<_>>().join("\n  "))
}

/// As [`here`], whatever is wrong with what lies in the folder: enough to judge files beside it.
pub(super) fn lenient(globals: &Globals) -> Result<Host, Failure> {
    let mut config = globals.layers().load()?;
    config.host.strict = false;
    let builder = builder().config(config).watch(false);
    Ok(Progress::new(globals).during("preparing plugins", || builder.build_blocking())?)
}

/// As [`here`], with no plugin in it: enough to look at a file.
pub(super) fn bare(globals: &Globals) -> Result<Host, Failure> {
    let mut config = globals.layers().load()?;
    // No folder has this name: nothing is read, nothing started.
    config.host.plugins = std::path::PathBuf::new();
    config.host.linked = false;
    config.host.strict = false;
    Ok(builder().config(config).watch(false).build_blocking()?)
}

/// What `path` of the running host's admin plane answers, or `None` if no host runs.
pub(super) fn ask(config: &Config, path: &str) -> Result<Option<Answer>, Failure> {
    call(config, &Method::GET, path, PATIENCE)
}

/// What comes of telling the running host's admin plane to do something, or `None` if no host
/// runs.
pub(super) fn order(config: &Config, path: &str) -> Result<Option<Answer>, Failure> {
    call(config, &Method::POST, path, MUCH_PATIENCE)
}

/// No host runs that could be asked.
pub(super) fn nobody(config: &Config) -> Failure {
    let address = config.admin.listen;
    Failure::new(format!("expected a running host at {address} (admin.listen), found none"))
        .hint("start one: plugbay up")
}

fn call(
    config: &Config,
    method: &Method,
    path: &str,
    patience: Duration,
) -> Result<Option<Answer>, Failure> {
    if !config.admin.enabled || config.admin.listen.port() == 0 {
        return Ok(None);
    }
    let address = config.admin.listen;
    let asked = send(address, method, path);
    let asked = runtime()?.block_on(async { tokio::time::timeout(patience, asked).await });
    match asked {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Failure::new(format!(
            "expected a plugbay host at {address} (admin.listen): {error}"
        ))),
        Err(_elapsed) => {
            Err(Failure::new(format!("the host at {address} (admin.listen) does not answer")))
        }
    }
}

/// A status and a body.
type Answer = (StatusCode, Bytes);
type AnyError = Box<dyn std::error::Error + Send + Sync>;

async fn send(
    address: SocketAddr,
    method: &Method,
    path: &str,
) -> Result<Option<Answer>, AnyError> {
    // Nobody listens: that is an answer too.
    let Ok(stream) = TcpStream::connect(address).await else { return Ok(None) };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).body(Body::empty())?;
    let host = HeaderValue::from_str(&address.to_string())?;
    request.headers_mut().insert(header::HOST, host);
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST).collect().await?.to_bytes();
    Ok(Some((status, body)))
}

/// The JSON of a good answer; a problem's detail is a failure.
pub(super) fn value((status, body): Answer) -> Result<Value, Failure> {
    let value: Value = serde_json::from_slice(&body)
        .map_err(|_| Failure::new("expected JSON from the admin plane (admin.listen)"))?;
    if status.is_success() {
        return Ok(value);
    }
    let detail = value["detail"].as_str().unwrap_or("no detail");
    Err(Failure::new(format!("the running host says: {detail}")))
}

/// As [`value`], of what the command line names: that it is not there is the caller's mistake.
pub(super) fn found(answer: Answer) -> Result<Value, Failure> {
    let missing = answer.0 == StatusCode::NOT_FOUND;
    value(answer).map_err(|failure| if missing { failure.of_the_caller() } else { failure })
}

/// Says on stderr that no host runs, and what is done instead.
pub(super) fn say_here(globals: &Globals, config: &Config) {
    if !globals.quiet {
        let address = config.admin.listen;
        anstream::eprintln!("no host answers at {address}; looking at the plugins from here");
    }
}

/// Shows on a terminal that long work goes on.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(super) fn new(globals: &Globals) -> Self {
        // indicatif itself stays silent where stderr is no terminal.
        Self((!globals.quiet && !globals.json).then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        }))
    }

    /// Runs `work`, and shows `message` once it takes long.
    pub(super) fn during<R>(&self, message: &'static str, work: impl FnOnce() -> R) -> R {
        let Some(bar) = &self.0 else { return work() };
        let (done, over) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                if over.recv_timeout(SOON) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    bar.set_message(message);
                    bar.enable_steady_tick(Duration::from_millis(100));
                    let _ = over.recv();
                    bar.finish_and_clear();
                }
            });
            let result = work();
            drop(done);
            result
        })
    }

    /// As [`Progress::during`], for a future.
    pub(super) async fn around<R>(
        &self,
        message: &'static str,
        work: impl Future<Output = R>,
    ) -> R {
        let Some(bar) = &self.0 else { return work.await };
        tokio::pin!(work);
        match tokio::time::timeout(SOON, &mut work).await {
            Ok(result) => result,
            Err(_elapsed) => {
                bar.set_message(message);
                bar.enable_steady_tick(Duration::from_millis(100));
                let result = work.await;
                bar.finish_and_clear();
                result
            }
        }
    }
}
