//! HTTP requests to the program, over a bare axum server that answers the same bytes.
//!
//! ```text
//! http PROGRAM HELLO.WASM
//! ```
//!
//! `wrk` sends the requests, over 16 connections, to both servers in turns. Each row has the ratio of the
//! requests per second, and the 99th percentiles of both. Exit status 1 means that a budget was not met.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use plugbay_bench::bare::{self, Bare};
use plugbay_bench::measure::{Spread, median};
use plugbay_bench::program::Program;
use plugbay_bench::table::Table;

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
    if bare::serve_if_child()? {
        return Ok(());
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &*arguments {
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
        let config = "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";
        let ours = Program::start(Path::new(program), config, |plugins| {
            if case.component {
                fs::copy(hello, plugins.join("hello.wasm"))?;
            }
            Ok(())
        })?;
        let answer = answer(ours.data, case)?;
        let bare = Bare::start(&answer.0, &answer.1)?;
        ensure!(self::answer(bare.address, case)? == answer, "{}: the answers differ", case.name);
        row(&mut table, case, ours.data, bare.address)?;
    }
    table.finish()
}

fn row(table: &mut Table, case: &Case, ours: SocketAddr, bare: SocketAddr) -> Result<()> {
    let mut pairs = Vec::new();
    // The first pair warms up.
    for pair in 0..=PAIRS {
        let (one, other) = if pair % 2 == 0 {
            let one = load(ours, case)?;
            (one, load(bare, case)?)
        } else {
            let other = load(bare, case)?;
            (load(ours, case)?, other)
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

/// What an answer consists of: its content type and its body.
type Answer = (String, Vec<u8>);

fn answer(server: SocketAddr, case: &Case) -> Result<Answer> {
    let Case { method, path, body, .. } = case;
    let mut connection = TcpStream::connect(server)?;
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
    ensure!(head.starts_with("http/1.1 200"), "{}: expected status 200: {head}", case.name);
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: "));
    Ok((kind.unwrap_or_default().to_owned(), answer[end + 4..].to_vec()))
}

fn load(server: SocketAddr, case: &Case) -> Result<Load> {
    let Case { method, path, body, .. } = case;
    let script = tempfile::NamedTempFile::new()?;
    let request = format!(
        "wrk.method = \"{method}\"\nwrk.body = [==[{body}]==]\n\
         wrk.headers[\"content-type\"] = \"application/json\"\n"
    );
    fs::write(&script, if body.is_empty() { String::new() } else { request })?;
    let output = Command::new("wrk")
        .args(["--latency", "--threads", "1", "--connections", CONNECTIONS, "--duration", WINDOW])
        .arg("--script")
        .arg(script.path())
        .arg(format!("http://{server}{path}"))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(!text.contains("Non-2xx"), "{}: {text}", case.name);
    let figure = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name));
    let rate = figure("Requests/sec:").and_then(|it| it.trim().parse::<f64>().ok());
    let rate = rate.with_context(|| format!("requests per second in {text}"))?;
    let p99 = figure("99%").and_then(|it| milliseconds(it.trim())).context("the percentile")?;
    Ok(Load { rate, p99 })
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
