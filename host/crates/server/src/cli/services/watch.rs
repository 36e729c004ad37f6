//! `services watch`

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use clap::Args;
use http_body_util::BodyExt as _;
use plugbay_discovery::{Change, Endpoint, ServiceName, SnapshotBody};
use serde::Deserialize;

use super::ask::Directory;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::globals::Globals;
use crate::cli::print;
use crate::cli::sse::Parser;

/// How long it waits before it connects again: at first, and at most. Each pause is shortened by chance, so that many
/// watchers do not come back at once.
const RETRY: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(5)];

/// Shows changes of a service, or of all, as they come
///
/// It begins with the present endpoints. When the connection is lost it connects again, and goes on after the last
/// change that it has seen; if the directory no longer knows what came after that, it shows all endpoints anew.
#[derive(Args)]
pub(super) struct Watch {
    /// The service [default: all]
    name: Option<ServiceName>,
}

/// One event.
#[derive(Deserialize)]
#[serde(untagged)]
enum Data {
    Change(Box<Change>),
    Snapshot(SnapshotBody),
}

impl Watch {
    pub(super) async fn run(
        &self,
        directory: &Directory,
        globals: &Globals,
    ) -> Result<Outcome, Failure> {
        let path = match &self.name {
            Some(name) => format!("/services/{name}/watch?snapshot=true"),
            None => "/watch?snapshot=true".to_owned(),
        };
        let mut last = None;
        let [mut pause, longest] = RETRY;
        loop {
            let before = last;
            let ended = read(directory, &path, &mut last, globals.json).await;
            // The first failure may be a wrong address; later ones are lost connections.
            if let Err(failure) = ended
                && last.is_none()
            {
                return Err(failure);
            }
            pause = if last == before { (pause * 2).min(longest) } else { RETRY[0] };
            tokio::time::sleep(pause.mul_f64(0.5 + 0.5 * fastrand::f64())).await;
        }
    }
}

/// Prints events until the stream ends.
async fn read(
    directory: &Directory,
    path: &str,
    last: &mut Option<u64>,
    json: bool,
) -> Result<(), Failure> {
    let id = last.map(|last| last.to_string());
    let resume = id.as_deref().map(|id| ("last-event-id", id));
    let headers: Vec<_> = [("accept", "text/event-stream")].into_iter().chain(resume).collect();
    let response = directory.open(&Method::GET, path, &headers, Bytes::new()).await?;
    let status = response.status();
    let mut body = response.into_body();
    if status != StatusCode::OK {
        let body = http_body_util::Limited::new(body, 64 << 10).collect().await;
        return Err(directory
            .refused(status, &body.map(http_body_util::Collected::to_bytes).unwrap_or_default()));
    }
    let mut parser = Parser::default();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(bytes) = frame.into_data() else { continue };
        for event in parser.take(&bytes).map_err(Failure::new)? {
            if json {
                print::line(&event.data)?;
            } else {
                show(
                    &serde_json::from_str(&event.data)
                        .map_err(|error| directory.failure(&error))?,
                )?;
            }
            *last = event.id.or(*last);
        }
    }
    Ok(())
}

fn show(data: &Data) -> Result<(), Failure> {
    match data {
        Data::Change(change) => {
            let what = match change.reason {
                Some(reason) => format!("{} ({})", change.kind.as_str(), reason.as_str()),
                None => change.kind.as_str().to_owned(),
            };
            print::line(&line(&what, &change.endpoint))?;
        }
        Data::Snapshot(snapshot) => {
            if snapshot.history_lost {
                print::line("-- changes are lost; these are all endpoints:")?;
            }
            for endpoint in &snapshot.endpoints {
                print::line(&line("present", endpoint))?;
            }
        }
    }
    Ok(())
}

fn line(what: &str, endpoint: &Endpoint) -> String {
    let Endpoint { id, service, host, port, health, sequence, .. } = endpoint;
    let address = host.authority(port.get());
    format!("{sequence}  {what:<14}  {service}  {address}  {health}  {id}")
}
