//! For tests: a plugin that reports what the host tells it about its call, in each of its forms.
//!
//! `GET /report` answers with what the handler learns, and with what the plugin's codec learns when the handler
//! calls it through the host. With the query `codec=NAME` it calls that codec as well. Each answer counts in the
//! plugin's metrics, and each part of it writes a line of the log.

use plugbay_sdk::metrics::Metric;
use plugbay_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// The plugin.
#[derive(Debug)]
pub struct Reporter;

/// What the host tells about a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The id of the request.
    pub request_id: Option<String>,
    /// The generation's number.
    pub generation: Option<u64>,
    /// The value of `traceparent`.
    pub trace_parent: Option<String>,
    /// The value of `tracestate`.
    pub trace_state: Option<String>,
    /// The time until the deadline, in nanoseconds.
    pub time_left: Option<u64>,
}

/// The body of the answer to `GET /report`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reports {
    /// What the handler learned.
    pub handler: Report,
    /// What the codec learned that it called.
    pub codec: Report,
}

impl Report {
    /// What is known now.
    fn now() -> Self {
        Self {
            request_id: call::request_id(),
            generation: call::generation(),
            trace_parent: call::trace_parent(),
            trace_state: call::trace_state(),
            time_left: call::time_left().and_then(|left| u64::try_from(left.as_nanos()).ok()),
        }
    }
}

impl Plugin for Reporter {
    const NAME: &'static str = "reporter";
    const DESCRIPTION: &'static str = "reports what the host tells it";
    type Config = ();

    fn new((): ()) -> Result<Self> {
        let nothing = Report {
            request_id: None,
            generation: None,
            trace_parent: None,
            trace_state: None,
            time_left: None,
        };
        let found = Report::now();
        ensure!(found == nothing, internal, "expected nothing outside of a call, found {found:?}");
        metrics::describe("reports", Metric::counter("Reports that were written."))?;
        let sizes = Metric::histogram("The size of an answer.").unit("bytes");
        metrics::describe("answer_bytes", sizes.buckets(&[10.0, 10_000.0]))?;
        // Another description is refused, and the first one stays.
        ensure!(
            metrics::describe("reports", Metric::gauge("Something else.")).is_err(),
            internal,
            "expected a refusal of another kind, found none"
        );
        Ok(Self)
    }
}

impl Handler for Reporter {
    const NAME: &'static str = "reporter";
    const ROUTES: &'static [Route] = &[Route::new(&["GET"], "/report")];

    fn handle(&self, request: Request) -> Result<Response> {
        let handler = Report::now();
        // The host's own fields have the names that the guest's have here.
        info!(part = "handler", request_id = "forged", plugin = "forged", "reports");
        if let Some(name) = request.query.as_deref().and_then(|it| it.strip_prefix("codec=")) {
            codecs::decode(name, b"\xf6")?;
        }
        let codec = codecs::decode("reporter", b"")?.to_value()?;
        metrics::add("reports", 2);
        let response = Response::json(&Reports { handler, codec })?;
        metrics::observe("answer_bytes", 400.0);
        metrics::observe("answer_bytes", 20_000.0);
        Ok(response)
    }
}

impl Codec for Reporter {
    const NAME: &'static str = "reporter";

    fn encode(&self, _: &Document) -> Result<Vec<u8>> {
        bail!(unsupported, "expected a call of decode, found one of encode");
    }

    fn decode(&self, _: &[u8]) -> Result<Document> {
        info!(part = "codec", "reports");
        Ok(Document::from_value(&Report::now())?)
    }
}

export!(Reporter: codec, handler);
