//! A bare axum server: what rows over HTTP are held against.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse as _;
use axum::routing::{any, post};
use tempfile::TempDir;

/// The argument with which a program of this crate is the server.
const CHILD: &str = "--bare";

/// A running server, which answers one answer on each of its paths.
pub struct Bare {
    process: Child,
    _folder: TempDir,
    /// Its address.
    pub address: SocketAddr,
}

/// What a request makes the server do.
#[derive(Clone, Copy, Default)]
pub struct Work {
    /// How long it computes, in milliseconds.
    pub millis: u64,
    /// How much memory it fills then, in bytes.
    pub bytes: usize,
    /// Whether that is the answer.
    pub is_answer: bool,
}

impl Work {
    /// The path of the request, whose method is POST.
    #[must_use]
    pub fn path(self) -> String {
        format!("/work/{}/{}/{}", self.millis, self.bytes, self.is_answer)
    }
}

impl Bare {
    /// Starts the server.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(content_type: &str, answer: &[u8]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("answer");
        fs::write(&file, answer)?;
        let mut process = Command::new(std::env::current_exe()?)
            .arg(CHILD)
            .arg(file)
            .arg(content_type)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut out = BufReader::new(process.stdout.take().context("expected stdout")?);
        let mut line = String::new();
        out.read_line(&mut line)?;
        let address =
            line.trim().parse().with_context(|| format!("expected an address, found {line:?}"))?;
        Ok(Self { process, _folder: folder, address })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It fails if the process has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves, if this process was started as a server. Returns whether it was, once it is told to end.
///
/// # Errors
///
/// If it cannot listen.
pub fn serve_if_child() -> Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &*arguments {
        [child, answer, content_type] if child == CHILD => {
            serve(Path::new(answer), content_type)?;
            Ok(true)
        }
        [child, ..] if child == CHILD => bail!("expected a file and a content type"),
        _ => Ok(false),
    }
}

fn serve(answer: &Path, content_type: &str) -> Result<()> {
    let (content_type, body) =
        (HeaderValue::from_str(content_type)?, Bytes::from(fs::read(answer)?));
    let answer = move |_body: Bytes| {
        let answer = ([(header::CONTENT_TYPE, content_type.clone())], body.clone()).into_response();
        async move { answer }
    };
    let mut router = Router::new().route("/work/{millis}/{bytes}/{is_answer}", post(work));
    for path in ["/hello", "/v1/codecs/{name}/encode", "/neighbour", "/livez"] {
        router = router.route(path, any(answer.clone()));
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        Ok(axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await?)
    })
}

/// Works on a thread for blocking work, as its author would to spare the other requests.
async fn work(
    extract::Path((millis, bytes, is_answer)): extract::Path<(u64, usize, bool)>,
    _body: Bytes,
) -> Vec<u8> {
    let done = tokio::task::spawn_blocking(move || {
        let end = Instant::now() + Duration::from_millis(millis);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        let filled = std::hint::black_box(vec![7; bytes]);
        if is_answer { filled } else { Vec::new() }
    });
    done.await.unwrap_or_default()
}
