//! A profile of the processor time of this process.

use std::convert::Infallible;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use plugbay::Host;
use plugbay_profile::ProfileError;
use tokio::sync::oneshot;

use super::views::host;
use crate::field_error::FieldError;
use crate::problem::{Problem, other_method};
use crate::shared::Shared;

/// How long a profile is recorded, in seconds, unless the client says another time: as Go's profiles.
const DEFAULT: u64 = 30;
/// The longest time, in seconds.
const MOST: u64 = 300;

/// A profile of the processor time of this process, in the format of pprof.
///
/// Records for `seconds`, or until the client goes or the server stops.
#[utoipa::path(
    get, path = "/debug/pprof/profile", tag = "debug",
    params(
        ("seconds" = Option<u16>, Query, description = "How long to record", minimum = 1, maximum = 300, example = 10),
    ),
    responses(
        (status = 200, description = "The profile, compressed by gzip", body = [u8], content_type = "application/octet-stream"),
    ),
)]
pub(super) async fn profile(
    State(shared): State<Arc<Shared>>,
    method: Method,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    if method == Method::HEAD {
        return Ok(other_method(&method, "GET, OPTIONS")?.into_response());
    }
    let duration = duration(query.as_deref().unwrap_or_default())?;
    let host = host(&shared)?.clone();
    let (going_on, mut recorded) = start(host, duration)?;
    // If the client goes, this future is dropped, and with it `going_on`.
    let recorded = tokio::select! {
        recorded = &mut recorded => recorded,
        () = shared.draining.cancelled() => {
            drop(going_on);
            recorded.await
        }
    };
    let recorded = recorded.map_err(|_panicked| internal("its thread ended"))?;
    let profile = recorded.map_err(|error| problem(&error))?;
    let fields = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"plugbay.pb.gz\""),
    ];
    Ok((fields, profile).into_response())
}

type Recorded = Result<Vec<u8>, ProfileError>;

/// Records on a thread of its own. The profile ends early when the sender is dropped.
fn start(
    host: Host,
    duration: Duration,
) -> Result<(mpsc::Sender<Infallible>, oneshot::Receiver<Recorded>), Problem> {
    let (going_on, stop) = mpsc::channel();
    let (done, recorded) = oneshot::channel();
    let record = move || {
        let recording = plugbay_profile::record(duration, &stop, || host.machine_code());
        // A client that went has no use for names, which take a while to look up.
        let profile = recording
            .map(|recording| if done.is_closed() { Vec::new() } else { recording.to_pprof() });
        // The client may be gone.
        let _ = done.send(profile);
    };
    let thread = thread::Builder::new().name("plugbay-profile".into()).spawn(record);
    thread.map_err(|error| internal(&error.to_string()))?;
    Ok((going_on, recorded))
}

/// The time that the query asks for.
fn duration(query: &str) -> Result<Duration, Problem> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, text)) = pairs.find(|(name, _)| *name == "seconds") else {
        return Ok(Duration::from_secs(DEFAULT));
    };
    if let Ok(seconds @ 1..=MOST) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let detail = format!(
        "expected seconds as a whole number from 1 to {MOST}, such as ?seconds=10, found another value"
    );
    Err(Problem::bad_request(detail.clone()).error(FieldError::parameter("seconds", detail)))
}

fn problem(error: &ProfileError) -> Problem {
    let detail = error.to_string();
    match error {
        ProfileError::Busy { ends_in } => {
            let seconds = ends_in.as_millis().div_ceil(1000).max(1);
            Problem::new(StatusCode::CONFLICT, "busy", detail)
                .header(header::RETRY_AFTER, &seconds.to_string())
        }
        ProfileError::Unsupported(_) => {
            Problem::new(StatusCode::NOT_IMPLEMENTED, "not-implemented", detail)
        }
        _ => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail),
    }
}

fn internal(why: &str) -> Problem {
    let detail = format!("expected a profile, found that it could not be recorded: {why}");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_a_whole_number_within_bounds() {
        let seconds = |query: &str| duration(query).ok().map(|duration| duration.as_secs());
        assert_eq!(seconds(""), Some(30));
        assert_eq!(seconds("debug=1"), Some(30));
        assert_eq!(seconds("debug=1&seconds=5"), Some(5));
        assert_eq!((seconds("seconds=1"), seconds("seconds=300")), (Some(1), Some(300)));
        for bad in ["0", "301", "-1", "1.5", "", "x", "99999999999999999999"] {
            assert_eq!(seconds(&format!("seconds={bad}")), None, "{bad}");
        }
    }
}
