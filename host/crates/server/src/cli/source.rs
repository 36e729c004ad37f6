//! The host that a command queries: the running one by its admin plane, or one built in this process.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use indicatif::{ProgressBar, ProgressStyle};
use plugbay::worker::{CompilerCommand, WorkerCommand};
use plugbay::{Builder, Config, Host, NotFound, escaped};
use plugbay_server::ProblemDetails;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::failure::Failure;
use super::globals::Globals;
use super::remote::Remote;
use super::target::Target;

/// How long a running host may take to answer a query.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a running host may take for a command: it may start the plugins of another generation.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(300);
/// The largest answer of an admin plane, in bytes.
const MAX_ANSWER: usize = 64 << 20;
/// Work that takes longer than this shows a spinner.
const SOON: Duration = Duration::from_millis(300);

/// An async runtime for one command.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(format!("cannot start the async runtime: {error}")))
}

/// The builder of every host of this program. This program is also its worker and its compiler.
pub(super) fn builder() -> Builder {
    let worker = WorkerCommand::this_program();
    let builder = Host::builder().worker(worker).compiler(CompilerCommand::this_program());
    builder.reserved(plugbay_server::RESERVED_PATHS)
}

/// A host in this process, for one command: it reads the folder once, and serves no requests.
pub(super) struct InProcess {
    host: Host,
    /// The folder for compiled code, if the configured one does not exist. Dropped after the host.
    _cache: Option<TempDir>,
}

impl Deref for InProcess {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl InProcess {
    /// Builds a host. A command leaves nothing behind: it uses the cache of the configuration only if
    /// that exists already.
    fn build(globals: &Globals, mut config: Config) -> Result<Self, Failure> {
        let mut cache = None;
        if !config.host.cache.as_os_str().is_empty() && !config.host.cache.is_dir() {
            // Without a folder for temporary files, nothing is kept at all.
            cache = tempfile::tempdir().ok();
            config.host.cache = cache.as_ref().map_or_else(PathBuf::new, |it| it.path().into());
        }
        let builder = builder().config(config).watch(false);
        let progress = Progress::new(globals);
        let host = progress.during("loading plugins", || builder.build_blocking())?;
        Ok(Self { host, _cache: cache })
    }
}

/// A host in this process.
pub(super) fn in_process(globals: &Globals) -> Result<InProcess, Failure> {
    InProcess::build(globals, globals.layers().load()?)
}

/// The failure for a missing codec or handler. The hint lists the refused plugins, because one of
/// them may have offered it.
pub(super) fn missing(host: &Host, missed: &NotFound) -> Failure {
    let now = host.snapshot();
    let refused = now
        .rejected()
        .iter()
        .map(|it| escaped(format!("refused: {}: {}", it.source, it.message)).into_owned());
    Failure::new(missed.to_string()).hint(refused.collect::<Vec<_>>().join("\n  "))
}

/// As [`in_process`], but tolerates refused plugins in the folder: enough to check other files.
pub(super) fn in_process_lenient(globals: &Globals) -> Result<InProcess, Failure> {
    load_leniently(globals, globals.layers().load()?)
}

/// Builds what a load of this configuration would, and tolerates refused plugins.
pub(super) fn load_leniently(globals: &Globals, mut config: Config) -> Result<InProcess, Failure> {
    config.host.strict = false;
    InProcess::build(globals, config)
}

/// As [`in_process`], but without any plugins: enough to inspect a file.
pub(super) fn empty(globals: &Globals) -> Result<InProcess, Failure> {
    let mut config = globals.layers().load()?;
    // No folder has this name: nothing is read, nothing started.
    config.host.plugins = PathBuf::new();
    config.host.linked = false;
    config.host.strict = false;
    InProcess::build(globals, config)
}

/// Queries `path` of the running host's admin plane; `None` if no host runs.
pub(super) fn query(target: &Target, path: &str) -> Result<Option<Answer>, Failure> {
    call(target, &Method::GET, path, &[], Bytes::new(), QUERY_TIMEOUT)
}

/// As [`query`], for those who ask again: `None` whenever the host does not answer, or not yet.
pub(super) fn query_again(target: &Target, path: &str) -> Result<Option<Answer>, Failure> {
    let Some(remote) = target.remote() else { return Ok(None) };
    let sent = send(remote, &Method::GET, path, &[], Bytes::new());
    let answer = runtime()?.block_on(async { tokio::time::timeout(QUERY_TIMEOUT, sent).await });
    let answer = answer.ok().and_then(Result::ok);
    Ok(answer.filter(|(status, _)| *status != StatusCode::SERVICE_UNAVAILABLE))
}

/// Posts a command to the running host's admin plane; `None` if no host runs.
pub(super) fn command(target: &Target, path: &str) -> Result<Option<Answer>, Failure> {
    command_with(target, path, &[], Bytes::new())
}

/// As [`command`], with header fields and a body.
pub(super) fn command_with(
    target: &Target,
    path: &str,
    headers: &[(&'static str, &str)],
    body: Bytes,
) -> Result<Option<Answer>, Failure> {
    call(target, &Method::POST, path, headers, body, COMMAND_TIMEOUT)
}

/// No host is running.
pub(super) fn no_host(target: &Target) -> Failure {
    let failure = Failure::new(format!("expected a running host at {target}, found none"));
    failure.hint(if target.is_named() { "" } else { "start one: plugbay up" })
}

fn call(
    target: &Target,
    method: &Method,
    path: &str,
    headers: &[(&'static str, &str)],
    body: Bytes,
    timeout: Duration,
) -> Result<Option<Answer>, Failure> {
    let Some(remote) = target.remote() else { return Ok(None) };
    let sent = send(remote, method, path, headers, body);
    let answer = runtime()?.block_on(async { tokio::time::timeout(timeout, sent).await });
    match answer {
        Ok(Ok(answer)) => Ok(Some(answer)),
        // The caller decides what to do.
        Ok(Err(SendError::NoHost(_))) if !target.is_named() => Ok(None),
        Ok(Err(SendError::NoHost(error))) => {
            Err(Failure::new(format!("expected a running host at {target}, found none: {error}")))
        }
        Ok(Err(SendError::NoTls(error))) => Err(Failure::new(format!(
            "expected TLS with a trusted certificate at {target}: {error}"
        ))
        .hint("name its authority: --ca FILE; and this client's own certificate, if the host wants one: --identity FILE")),
        Ok(Err(SendError::Other(error))) => {
            Err(Failure::new(format!("what listens at {target} is not a plugbay host: {error}")))
        }
        Err(_elapsed) => {
            Err(Failure::new(format!("the host at {target} did not answer within {timeout:?}")))
        }
    }
}

/// A status and a body.
type Answer = (StatusCode, Bytes);
type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum SendError {
    /// Nobody listens there.
    NoHost(io::Error),
    /// The handshake of TLS failed.
    NoTls(io::Error),
    Other(AnyError),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHost(error) | Self::NoTls(error) => error.fmt(f),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for SendError {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

async fn send(
    remote: &Remote,
    method: &Method,
    path: &str,
    headers: &[(&'static str, &str)],
    body: Bytes,
) -> Result<Answer, SendError> {
    let response = request(remote, method, path, headers, body).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(SendError::Other)?.to_bytes();
    Ok((status, body))
}

/// Sends a request, and returns the answer before its body has arrived.
pub(super) async fn request(
    remote: &Remote,
    method: &Method,
    path: &str,
    headers: &[(&'static str, &str)],
    body: Bytes,
) -> Result<Response<Incoming>, SendError> {
    let stream = remote.connect().await.map_err(SendError::NoHost)?;
    let stream = stream.map_err(SendError::NoTls)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).body(Body::from(body))?;
    request.headers_mut().insert(header::HOST, HeaderValue::from_str(&remote.host())?);
    if let Some(token) = &remote.token {
        request.headers_mut().insert(header::AUTHORIZATION, token.clone());
    }
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value)?);
    }
    Ok(sender.send_request(request).await?)
}

/// Reads the JSON of a successful answer. The detail of a problem becomes a failure.
pub(super) fn read<T: DeserializeOwned>((status, body): Answer) -> Result<T, Failure> {
    let not_a_host = |error: serde_json::Error| {
        let message = "what answers at admin.listen is not the admin plane of a plugbay host";
        Failure::new(format!("{message}: {error}"))
    };
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(not_a_host);
    }
    let problem: ProblemDetails<'_> = serde_json::from_slice(&body).map_err(not_a_host)?;
    let failure = Failure::new(format!("the running host answered: {}", problem.detail));
    Err(match status {
        StatusCode::UNAUTHORIZED => failure.hint(
            "give a token: --token-file FILE, or PLUGBAY_TOKEN; `plugbay token new NAME --role viewer` makes one",
        ),
        StatusCode::FORBIDDEN => failure.hint("use the token of an operator"),
        _ => failure,
    })
}

/// As [`read`], for something that the command line names: if it does not exist, the command line
/// is wrong.
pub(super) fn read_named<T: DeserializeOwned>(answer: Answer) -> Result<T, Failure> {
    let missing = answer.0 == StatusCode::NOT_FOUND;
    read(answer).map_err(|failure| if missing { failure.caused_by_caller() } else { failure })
}

/// Prints on stderr that no host answers, and that the plugins are loaded in this process. For a host of the
/// file of hosts none stands in.
pub(super) fn stand_in(globals: &Globals, target: &Target) -> Result<(), Failure> {
    if target.is_named() {
        return Err(no_host(target));
    }
    if !globals.quiet {
        let address = target.address();
        anstream::eprintln!("no host answers at {address}; loading the plugins in this process");
    }
    Ok(())
}

/// Shows a spinner on a terminal while work takes long.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(super) fn new(globals: &Globals) -> Self {
        // indicatif prints nothing if stderr is not a terminal.
        Self((!globals.quiet && !globals.json).then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        }))
    }

    /// Runs `work`, and shows `message` once it takes long.
    pub(super) fn during<R>(&self, message: &'static str, work: impl FnOnce() -> R) -> R {
        self.watching(message, || None, work)
    }

    /// As [`Progress::during`], and asks again and again for a better message while it takes long.
    pub(super) fn watching<R>(
        &self,
        message: &str,
        look: impl Fn() -> Option<String> + Send,
        work: impl FnOnce() -> R,
    ) -> R {
        let Some(bar) = &self.0 else { return work() };
        let message = message.to_owned();
        let (done, over) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                if over.recv_timeout(SOON) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    bar.set_message(message);
                    bar.enable_steady_tick(Duration::from_millis(100));
                    while over.recv_timeout(SOON) == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
                    {
                        if let Some(message) = look() {
                            bar.set_message(message);
                        }
                    }
                    bar.finish_and_clear();
                }
            });
            let result = work();
            drop(done);
            result
        })
    }

    /// As [`Progress::during`], with a message that names something.
    pub(super) fn during_named<R>(&self, message: &str, work: impl FnOnce() -> R) -> R {
        self.watching(&escaped(message), || None, work)
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
