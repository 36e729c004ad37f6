//! `events`

use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use clap::Args;
use http_body_util::BodyExt as _;
use plugbay::{escaped, timestamp};
use plugbay_server::{Record, admin};

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::retry::Connection;
use super::sse::Parser;
use super::target::Target;
use super::{print, source};

/// Shows what happened: the latest events of the running host, and with --follow those that come
///
/// A host keeps 256 events. With --follow the command connects again when the connection is lost, goes on after the
/// last event that it has seen, and says so if events in between are lost or the host was started again. It ends if the
/// host does not answer for ten minutes.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay events
  plugbay events --follow
  plugbay events --after 120 --json      those after number 120, a line of JSON each")]
pub(super) struct Events {
    /// Waits for further events until it is interrupted
    #[arg(short, long)]
    follow: bool,
    /// Shows only events after this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    after: u64,
}

impl Events {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let target = Target::of(globals)?;
        let Some(answer) = source::query(&target, "/v1/generations")? else {
            return Err(source::no_host(&target));
        };
        let admin::Generations { events, .. } = source::read(answer)?;
        let connection = Connection::new(globals.json);
        let mut shown = Shown { last: self.after, json: globals.json, connection };
        for record in events.iter().filter(|record| record.seq > self.after) {
            shown.print(record)?;
        }
        if self.follow {
            source::runtime()?.block_on(follow(&target, &mut shown))?;
        }
        Ok(Outcome::Done)
    }
}

/// The last event that was printed.
struct Shown {
    last: u64,
    json: bool,
    connection: Connection,
}

impl Shown {
    fn print(&mut self, record: &Record) -> Result<(), Failure> {
        // The first events that are asked for may be older than what the host keeps.
        if self.last > 0 && record.seq > self.last + 1 {
            let lost = record.seq - self.last - 1;
            self.connection.say(&format!("{lost} events are lost"))?;
        }
        self.last = record.seq;
        if self.json {
            return Ok(print::line(&serde_json::to_string(record)?)?);
        }
        let (at, event) = (timestamp::text(record.event.at), &record.event);
        let text = format!("{at} generation {}  {}", event.generation, event.outcome);
        Ok(print::line(&escaped(text))?)
    }
}

/// Follows the stream, and connects again whenever it ends.
async fn follow(target: &Target, shown: &mut Shown) -> Result<(), Failure> {
    loop {
        if let Ended::NotConnected = read(target, shown).await? {
            tokio::time::sleep(shown.connection.lost(target)?).await;
        }
    }
}

/// How a try ended.
enum Ended {
    Connected,
    NotConnected,
}

async fn read(target: &Target, shown: &mut Shown) -> Result<Ended, Failure> {
    let last = shown.last.to_string();
    let headers = [("last-event-id", last.as_str()), ("accept", "text/event-stream")];
    let Some(remote) = target.remote() else { return Err(source::no_host(target)) };
    let asked = source::request(remote, &Method::GET, "/v1/events", &headers, Bytes::new()).await;
    let Ok(response) = asked else { return Ok(Ended::NotConnected) };
    let status = response.status();
    if status.is_client_error() {
        return Err(Failure::new(format!(
            "the host at {target} answered the stream with {status}"
        )));
    }
    if status != StatusCode::OK {
        return Ok(Ended::NotConnected);
    }
    shown.connection.answered()?;
    let (mut body, mut parser) = (response.into_body(), Parser::default());
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(bytes) = frame.into_data() else { continue };
        for event in parser.take(&bytes).map_err(Failure::new)? {
            let record: Record = serde_json::from_str(&event.data).map_err(|error| {
                Failure::new(format!(
                    "the host at {target} sent an event of an unknown form: {error}"
                ))
            })?;
            if record.seq <= shown.last {
                // Each process counts from 1.
                shown.connection.say("the host was started again")?;
                shown.last = record.seq - 1;
            }
            shown.print(&record)?;
        }
    }
    Ok(Ended::Connected)
}
