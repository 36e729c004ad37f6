//! `events`

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use clap::Args;
use http_body_util::BodyExt as _;
use plugbay::{escaped, timestamp};
use plugbay_server::{Record, admin};
use serde_json::json;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::sse::Parser;
use super::target::Target;
use super::{print, source};

/// How long a follower waits before it connects again: at first, and at most.
const RETRY: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(5)];

/// Shows what happened: the latest events of the running host, and with --follow those that come
///
/// A host keeps 256 events. With --follow the command connects again when the connection is lost, goes on after the
/// last event that it has seen, and says so if events in between are lost or the host was started again.
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
        let mut shown = Shown { last: self.after, json: globals.json };
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
}

impl Shown {
    fn print(&mut self, record: &Record) -> Result<(), Failure> {
        // The first events that are asked for may be older than what the host keeps.
        if self.last > 0 && record.seq > self.last + 1 {
            self.say(&format!("{} events are lost", record.seq - self.last - 1))?;
        }
        self.last = record.seq;
        if self.json {
            return Ok(print::line(&serde_json::to_string(record)?)?);
        }
        let (at, event) = (timestamp::text(record.event.at), &record.event);
        let text = format!("{at} generation {}  {}", event.generation, event.outcome);
        Ok(print::line(&escaped(text))?)
    }

    /// Says something about the stream itself, where the events are.
    fn say(&self, what: &str) -> Result<(), Failure> {
        let line = if self.json {
            json!({ "type": "stream", "message": what }).to_string()
        } else {
            format!("-- {what}")
        };
        Ok(print::line(&line)?)
    }
}

/// Follows the stream, and connects again whenever it ends.
async fn follow(target: &Target, shown: &mut Shown) -> Result<(), Failure> {
    let [mut pause, longest] = RETRY;
    let mut is_lost = false;
    loop {
        match read(target, shown, &mut is_lost).await? {
            Ended::Connected => pause = RETRY[0],
            Ended::NotConnected => {
                if !is_lost {
                    shown.say("the host does not answer; trying again")?;
                    is_lost = true;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        }
    }
}

/// How a try ended.
enum Ended {
    Connected,
    NotConnected,
}

async fn read(target: &Target, shown: &mut Shown, is_lost: &mut bool) -> Result<Ended, Failure> {
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
    if std::mem::take(is_lost) {
        shown.say("connected again")?;
    }
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
                shown.say("the host was started again")?;
                shown.last = record.seq - 1;
            }
            shown.print(&record)?;
        }
    }
    Ok(Ended::Connected)
}
