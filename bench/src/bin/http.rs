//! HTTP requests to the program, over a bare axum server that answers the same bytes.
//!
//! ```text
//! http PROGRAM HELLO.WASM
//! ```
//!
//! `wrk` sends the requests, over 16 connections, to both servers in turns. Each row has the ratio of the
//! requests per second, and the 99th percentiles of both. Exit status 1 means that a budget was not met.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse as _;
use axum::routing::any;
use plugbay_bench::measure::{Spread, median};
use plugbay_bench::table::Table;
use serde_json::Value;
use tempfile::TempDir;

/// The argument with which this program is the bare server.
const BARE: &str = "--bare";
const CONNECTIONS: &str = "16";
const WINDOW: &str = "2s";
const PAIRS: usize = 5;
const LEAST: f64 = 0.85;

/// A request, and the answer that both servers give.
struct Case {
    name: &'static str,
    /// Whether the handler runs as a component.
    component: bool,
    method: &'static str,
    path: &'static str,
    body: &'static str,
}

const CASES: [Case; 3] = [
    Case {
        name: "a handler as a component",
        component: true,
        method: "GET",
        path: "/hello",
        body: "",
    },
    Case { name: "a linked handler", component: false, method: "GET", path: "/hello", body: "" },
    Case {
        name: "a linked codec, 64 B",
        component: false,
        method: "POST",
        path: "/v1/codecs/msgpack/encode",
        body: r#"{"id":1234567,"name":"a name of some length","tags":["a","b"]}"#,
    },
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &*arguments {
        [bare, answer, kind] if bare == BARE => serve(Path::new(answer), kind),
        [program, hello, ..] => measure(program, Path::new(hello)),
        _ => bail!("expected the program and hello.wasm"),
    }
}

fn measure(program: &str, hello: &Path) -> Result<()> {
    let found = Command::new("wrk").arg("--version").stdout(Stdio::null()).spawn();
    found.context("expected wrk (apt-get install wrk)")?.wait()?;
    // The first two arguments are files, and select no row.
    let mut table = Table::of_arguments();
    for case in &CASES {
        let folder = tempfile::tempdir()?;
        if case.component {
            fs::create_dir(folder.path().join("plugins"))?;
            fs::copy(hello, folder.path().join("plugins").join("hello.wasm"))?;
        }
        let ours = Server::plugbay(program, &folder)?;
        let bare = Server::bare(&ours.answer(case)?, &folder)?;
        ensure!(bare.answer(case)? == ours.answer(case)?, "{}: the answers differ", case.name);
        row(&mut table, case, &ours, &bare, &folder)?;
    }
    table.finish()
}

fn row(
    table: &mut Table,
    case: &Case,
    ours: &Server,
    bare: &Server,
    folder: &TempDir,
) -> Result<()> {
    let mut pairs = Vec::new();
    // The first pair warms up.
    for pair in 0..=PAIRS {
        let (one, other) = if pair % 2 == 0 {
            let one = ours.load(case, folder)?;
            (one, bare.load(case, folder)?)
        } else {
            let other = bare.load(case, folder)?;
            (ours.load(case, folder)?, other)
        };
        if pair > 0 {
            pairs.push((one, other));
        }
    }
    let of = |figure: fn(&Load) -> f64| {
        let one = median(pairs.iter().map(|pair| figure(&pair.0)));
        (one, median(pairs.iter().map(|pair| figure(&pair.1))))
    };
    let ratio = Spread::of(pairs.iter().map(|(one, other)| one.rate / other.rate));
    let (rate, rates) = of(|load| load.rate);
    let (p99, p99s) = of(|load| load.p99);
    let note = format!(" ({rate:.0} vs {rates:.0} requests/s; p99 {p99:.2} vs {p99s:.2} ms)");
    table.least(&format!("{}, beside axum", case.name), ratio, "×", LEAST, &note)
}

/// The result of one run of wrk.
struct Load {
    /// Requests per second.
    rate: f64,
    /// In milliseconds.
    p99: f64,
}

struct Server {
    process: Child,
    address: SocketAddr,
}

/// What an answer consists of: its content type and its body.
type Answer = (String, Vec<u8>);

impl Server {
    fn plugbay(program: &str, folder: &TempDir) -> Result<Self> {
        let config = folder.path().join("config.toml");
        fs::write(
            &config,
            "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n",
        )?;
        let mut command = Command::new(program);
        command.args(["up", "--json", "--config"]).arg(&config);
        let server = Self::start(command, |line| {
            let line: Value = serde_json::from_str(line)?;
            Ok(line["data"].as_str().unwrap_or_default().parse()?)
        })?;
        Ok(server)
    }

    fn bare((kind, body): &Answer, folder: &TempDir) -> Result<Self> {
        let file = folder.path().join("answer");
        fs::write(&file, body)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(BARE).arg(file).arg(kind);
        Self::start(command, |line| Ok(line.trim().parse()?))
    }

    /// Starts a server, whose first line has its address.
    fn start(mut command: Command, address: impl Fn(&str) -> Result<SocketAddr>) -> Result<Self> {
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut out = BufReader::new(process.stdout.take().context("expected stdout")?);
        let mut line = String::new();
        out.read_line(&mut line)?;
        // The server writes more lines, which nobody needs.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        let address = address(&line).with_context(|| format!("the first line: {line:?}"))?;
        Ok(Self { process, address })
    }

    /// The answer, once the server is ready.
    fn answer(&self, case: &Case) -> Result<Answer> {
        for _ in 0..2_000 {
            let Case { method, path, body, .. } = case;
            let mut connection = TcpStream::connect(self.address)?;
            let length = body.len();
            write!(
                connection,
                "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            )?;
            let mut answer = Vec::new();
            connection.read_to_end(&mut answer)?;
            let end = answer.windows(4).position(|it| it == b"\r\n\r\n").context("a head")?;
            let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
            if head.starts_with("http/1.1 200") {
                let kind = head.lines().find_map(|line| line.strip_prefix("content-type: "));
                return Ok((kind.unwrap_or_default().to_owned(), answer[end + 4..].to_vec()));
            }
            std::thread::yield_now();
        }
        bail!("{}: expected an answer with status 200", case.name)
    }

    fn load(&self, case: &Case, folder: &TempDir) -> Result<Load> {
        let Case { method, path, body, .. } = case;
        let script = folder.path().join("request.lua");
        let request = format!(
            "wrk.method = \"{method}\"\nwrk.body = [==[{body}]==]\n\
             wrk.headers[\"content-type\"] = \"application/json\"\n"
        );
        fs::write(&script, if body.is_empty() { String::new() } else { request })?;
        let output = Command::new("wrk")
            .args([
                "--latency",
                "--threads",
                "1",
                "--connections",
                CONNECTIONS,
                "--duration",
                WINDOW,
            ])
            .arg("--script")
            .arg(&script)
            .arg(format!("http://{}{path}", self.address))
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(!text.contains("Non-2xx"), "{}: {text}", case.name);
        let figure = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name));
        let rate = figure("Requests/sec:").and_then(|it| it.trim().parse::<f64>().ok());
        let rate = rate.with_context(|| format!("requests per second in {text}"))?;
        let p99 = figure("99%").and_then(|it| milliseconds(it.trim())).context("the percentile")?;
        Ok(Load { rate, p99 })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A time as wrk prints it.
fn milliseconds(text: &str) -> Option<f64> {
    let (number, factor) = if let Some(number) = text.strip_suffix("us") {
        (number, 1e-3)
    } else if let Some(number) = text.strip_suffix("ms") {
        (number, 1.0)
    } else {
        (text.strip_suffix('s')?, 1e3)
    };
    Some(number.parse::<f64>().ok()? * factor)
}

/// Serves one answer on every path.
fn serve(answer: &Path, kind: &str) -> Result<()> {
    let (kind, body) = (HeaderValue::from_str(kind)?, axum::body::Bytes::from(fs::read(answer)?));
    let answer = move |_body: axum::body::Bytes| {
        let answer = ([(header::CONTENT_TYPE, kind.clone())], body.clone()).into_response();
        async move { answer }
    };
    let router = Router::new()
        .route("/hello", any(answer.clone()))
        .route("/v1/codecs/{name}/encode", any(answer));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        Ok(axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await?)
    })
}
