//! `trace`: one request followed.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use axum::body::Bytes;
use axum::http::Method;
use clap::Args;
use http_body_util::{BodyExt, Limited};
use plugbay::config::ListenAddress;
use plugbay::{RunningConfig, escaped, timestamp};
use plugbay_server::{Record, admin};
use serde_json::{Value, json};

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::logs::{self, LogLine};
use super::remote::{DataTls, Remote};
use super::target::Target;
use super::{print, source};

/// How long the request may take.
const TIMEOUT: Duration = Duration::from_mins(1);
/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// Follows one request: sends it with an id and a trace, or looks up one by its id
///
/// Shows how long the answer took as this command saw it, the lines of the host's log with the request's id, and the
/// events of the host in that time. The host keeps the lines that its log filter lets through: start it with -v for
/// the line of each request, which has the plugin, the version and the time that it took.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay trace GET '/hello?name=Ada'
  plugbay trace 6fd9b2f3c0b14f0e
  plugbay trace POST /v1/codecs/json/decode --body '{\"a\":1}' --json")]
pub(super) struct Trace {
    /// The method of a request to send, or the id of a request to look up
    #[arg(value_name = "METHOD|REQUEST-ID")]
    what: String,
    /// The path of the request to send
    path: Option<String>,
    /// The body of the request
    #[arg(long, value_name = "TEXT", default_value = "", requires = "path")]
    body: String,
    /// The data plane [default: the first address of the host's server.listen]
    #[arg(long, value_name = "ADDRESS", requires = "path")]
    data: Option<ListenAddress>,
}

/// What this command saw of its own request.
struct Sent {
    id: String,
    trace: String,
    status: u16,
    bytes: usize,
    /// Until the head of the answer was there.
    head: Duration,
    /// Until all of it was.
    whole: Duration,
    began: SystemTime,
}

impl Trace {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let target = Target::of(globals)?;
        let Some(path) = &self.path else {
            let lines = lines_of(&target, &self.what)?;
            if lines.is_empty() {
                return Err(Failure::new(format!(
                    "expected lines of the request {:?} in the host's log, found none",
                    self.what
                ))
                .hint("the host keeps the latest lines that its log filter lets through: plugbay up -v"));
            }
            return show(globals, None, &lines, &[]);
        };
        let method: Method = self.what.parse().map_err(|_| {
            Failure::usage(format!("expected a method such as GET, found {:?}", self.what))
        })?;
        let data = data_plane(&target, self.data.as_ref())?;
        let sent = self.send(&data, &method, path)?;
        let lines = lines_of(&target, &sent.id)?;
        let events = events_since(&target, sent.began)?;
        show(globals, Some(&sent), &lines, &events)
    }

    fn send(&self, data: &Remote, method: &Method, path: &str) -> Result<Sent, Failure> {
        let (trace, span) = (random_hex(16), random_hex(8));
        let id = trace[..16].to_owned();
        let parent = format!("00-{trace}-{span}-01");
        let headers = [("x-request-id", id.as_str()), ("traceparent", parent.as_str())];
        let body = Bytes::from(self.body.clone());
        let began = SystemTime::now();
        let clock = Instant::now();
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new(format!("the data plane at {data} gave no answer: {error}"))
        };
        let exchange = async {
            let response = source::request(data, method, path, &headers, body).await;
            let response = response.map_err(|error| failed(&error))?;
            let head = clock.elapsed();
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            let bytes = body.map_err(|error| failed(&error))?.to_bytes().len();
            let whole = clock.elapsed();
            Ok(Sent { id: id.clone(), trace: trace.clone(), status, bytes, head, whole, began })
        };
        let timed =
            source::runtime()?.block_on(async { tokio::time::timeout(TIMEOUT, exchange).await });
        timed.map_err(|_| failed(&format_args!("not within {TIMEOUT:?}")))?
    }
}

/// Random bytes as hexadecimal digits. None of them is zero, which a trace does not allow for all.
fn random_hex(bytes: usize) -> String {
    let bytes: Vec<u8> = (0..bytes).map(|_| fastrand::u8(1..)).collect();
    data_encoding::HEXLOWER.encode(&bytes)
}

/// The data plane, at this address or at the first one that the running host has.
fn data_plane(target: &Target, address: Option<&ListenAddress>) -> Result<Remote, Failure> {
    let answer = source::query(target, "/v1/config")?;
    let running: RunningConfig = source::read(answer.ok_or_else(|| source::no_host(target))?)?;
    let value = |key: &str| running.values.iter().find(|it| it.key == key).map(|it| &it.value);
    let first = value("server.listen").and_then(|value| match value {
        Value::Array(all) => all.first().and_then(Value::as_str),
        value => value.as_str(),
    });
    let first = first.and_then(|it| it.parse::<ListenAddress>().ok());
    let address = address.or(first.as_ref()).filter(|it| !it.is_any_port()).ok_or_else(|| {
        Failure::usage("expected the address of the data plane in server.listen, found none")
            .hint("name it: --data 127.0.0.1:7070")
    })?;
    let certificate = value("server.tls.certificate").and_then(Value::as_str).map(Path::new);
    // The file of another machine's configuration is not on this one.
    let pinned = certificate.filter(|_| !target.is_named());
    let tls = certificate.map(|_| DataTls { ca: target.ca(), certificate: pinned });
    Remote::data_plane(address, target.remote(), tls)
}

fn lines_of(target: &Target, id: &str) -> Result<Vec<LogLine>, Failure> {
    let lines = logs::read_if_kept(target)?;
    Ok(lines.into_iter().filter(|line| line.is_of_request(id)).collect())
}

/// The events since then. An event belongs to no request: these came in the same time.
fn events_since(target: &Target, began: SystemTime) -> Result<Vec<Record>, Failure> {
    let answer = source::query(target, "/v1/generations")?;
    let answer: admin::Generations = source::read(answer.ok_or_else(|| source::no_host(target))?)?;
    Ok(answer.events.into_iter().filter(|record| record.event.at >= began).collect())
}

fn show(
    globals: &Globals,
    sent: Option<&Sent>,
    lines: &[LogLine],
    events: &[Record],
) -> Result<Outcome, Failure> {
    if globals.json {
        let sent = sent.map(|it| {
            json!({
                "request_id": it.id, "trace_id": it.trace, "status": it.status, "bytes": it.bytes,
                "began_at": timestamp::text(it.began), "head_us": it.head.as_micros(),
                "whole_us": it.whole.as_micros(),
            })
        });
        print::json(&json!({ "sent": sent, "lines": lines, "events": events }))?;
        return Ok(Outcome::Done);
    }
    if let Some(sent) = sent {
        let Sent { id, trace, status, bytes, head, whole, .. } = sent;
        print::line(&format!("request {id}, trace {trace}"))?;
        print::line(&format!(
            "{status}, {bytes} bytes; head after {head:.1?}, whole after {whole:.1?}, seen from here"
        ))?;
    }
    print::line("\nlines of the log with this id:")?;
    for line in lines {
        print::line(&format!("  {}", line.text()))?;
    }
    if lines.is_empty() {
        print::line("  none: the host logs requests with -v")?;
    }
    if !events.is_empty() {
        print::line("\nevents in this time:")?;
    }
    for record in events {
        let at = timestamp::text(record.event.at);
        print::line(&format!("  {at} {}", escaped(record.event.outcome.to_string())))?;
    }
    Ok(Outcome::Done)
}
