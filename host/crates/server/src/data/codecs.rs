//! Codecs over HTTP: encodes documents to bytes, and decodes bytes to documents.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use plugbay::runtime::Direction;
use plugbay::{CallOptions, CapabilityLease, Codec, Kind as _, Snapshot};
use plugbay_accept::{best, essence};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::body::{self, Arriving};
use super::budget::Share;
use super::context::{BACKSTOP, Context, failed, late, lost, name_plugin};
use super::state::Data;
use crate::document::{Form, FormError};
use crate::guests::Lost;
use crate::problem::{Problem, Response};

/// The path at which a codec writes bytes.
pub(super) const ENCODE: &str = "/v1/codecs/{name}/encode";
/// The path at which a codec reads bytes.
pub(super) const DECODE: &str = "/v1/codecs/{name}/decode";

#[derive(Serialize)]
pub(super) struct Listing {
    generation: u64,
    codecs: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    description: String,
    media_types: Vec<String>,
    plugin: String,
    version: String,
}

/// The path at which codecs convert in this direction.
pub(super) fn pattern(direction: Direction) -> &'static str {
    match direction {
        Direction::Encode => ENCODE,
        Direction::Decode => DECODE,
    }
}

/// `GET /v1/codecs`
pub(super) fn list(now: &Snapshot) -> Response {
    let codecs =
        now.capabilities().into_iter().filter(|it| it.kind == Codec::NAME).map(|it| Entry {
            name: it.name,
            description: it.description,
            media_types: it.media_types,
            plugin: it.plugin,
            version: it.version,
        });
    let listing = Listing { generation: now.generation(), codecs: codecs.collect() };
    // Strings and numbers can always be written.
    let body = serde_json::to_vec(&listing).unwrap_or_default();
    typed(HeaderValue::from_static("application/json"), body.into())
}

/// Converts the body of a request with the codec of this name.
pub(super) async fn convert<B: Arriving>(
    data: &Data,
    context: &Context,
    name: &str,
    direction: Direction,
    headers: &HeaderMap,
    body: B,
) -> Result<Response, Problem> {
    find(context, name)?;
    let form = match direction {
        Direction::Encode => form_of(headers)?,
        Direction::Decode => wanted_form(headers)?,
    };
    let mut share = data.share(context);
    let body = body::read(context, headers, body, &mut share).await?;
    let codec = find(context, name)?;
    let call = Call::new(&codec, &body, context);
    let correlation = Arc::clone(&context.correlation);
    call.run(data, |how| async move {
        let how = how.correlated(&correlation);
        match direction {
            Direction::Encode => {
                let document = form.read(&body).map_err(|error| malformed(&error))?;
                let bytes = codec.encode_document_async(how, document.into_cbor()).await;
                let bytes = bytes.map_err(|error| failed(&error))?;
                let media_type = codec.description().media_types.first();
                let media_type = media_type.map_or("application/octet-stream", String::as_str);
                answer(media_type, bytes, share)
            }
            Direction::Decode => {
                let document = codec.decode_document_async(how, body).await;
                let document = document.map_err(|error| failed(&error))?;
                let bytes = form.write(document).map_err(|error| malformed(&error))?;
                let mut response = answer(form.media_type(), bytes, share)?;
                response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
                Ok(response)
            }
        }
    })
    .await
}

/// A call of a codec: the bulkhead that it counts for, the size of its body, and its deadline.
struct Call {
    plugin: String,
    size: usize,
    deadline: Instant,
}

impl Call {
    fn new(codec: &CapabilityLease<Codec>, body: &[u8], context: &Context) -> Self {
        let plugin = codec.bulkhead().into_owned();
        Self { plugin, size: body.len(), deadline: context.answers_by() }
    }

    /// Runs the call that `make` returns. It includes reading and writing the documents, because that
    /// takes time, too.
    async fn run<F>(
        self,
        data: &Data,
        make: impl FnOnce(CallOptions<'static>) -> F,
    ) -> Result<Response, Problem>
    where
        F: Future<Output = Result<Response, Problem>> + Send + 'static,
    {
        let Self { plugin, size, deadline } = self;
        let call = make(CallOptions::default().until(deadline.into_std()));
        match timeout_at(deadline + BACKSTOP, data.guests.run(&plugin, size, call)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(Lost)) => Err(lost()),
            Err(_elapsed) => Err(late()),
        }
    }
}

/// Leases the codec in the request's own generation, if it takes calls. Called twice: before the
/// body is read, to report a missing codec at once; and after, because a slow client must not delay a
/// drain.
fn find(context: &Context, name: &str) -> Result<CapabilityLease<Codec>, Problem> {
    let codec: CapabilityLease<Codec> =
        context.snapshot.lease(name).map_err(|error| failed(&error))?;
    if let Some(plugin) = codec.plugin() {
        name_plugin(plugin);
    }
    codec.check_available().map_err(|error| failed(&error.into()))?;
    Ok(codec)
}

/// The form of a request's document. Without `Content-Type` it is JSON.
fn form_of(headers: &HeaderMap) -> Result<Form, Problem> {
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else { return Ok(Form::Json) };
    let found = essence(&String::from_utf8_lossy(content_type.as_bytes()));
    match found.as_str() {
        "application/json" | "text/json" => Ok(Form::Json),
        "application/cbor" => Ok(Form::Cbor),
        json if json.ends_with("+json") => Ok(Form::Json),
        cbor if cbor.ends_with("+cbor") => Ok(Form::Cbor),
        _ => {
            let detail = format!(
                "expected a document with Content-Type application/json or application/cbor, \
                 found {found:?}"
            );
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported", detail))
        }
    }
}

/// The form of an answer's document that the client accepts.
fn wanted_form(headers: &HeaderMap) -> Result<Form, Problem> {
    const FORMS: [Form; 2] = [Form::Json, Form::Cbor];
    let accept: Vec<_> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accept = (!accept.is_empty()).then(|| accept.join(","));
    best(accept.as_deref(), &FORMS.map(Form::media_type)).map(|index| FORMS[index]).ok_or_else(
        || {
            let detail = "expected application/json or application/cbor in Accept";
            Problem::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", detail)
        },
    )
}

fn malformed(error: &FormError) -> Problem {
    match error {
        FormError::Malformed { .. } => {
            Problem::new(StatusCode::BAD_REQUEST, "invalid-input", error.to_string())
        }
        FormError::Unsupported { .. } => {
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported", error.to_string())
        }
    }
}

/// An answer, which is counted in `share` instead of the request's body.
fn answer(media_type: &str, bytes: Vec<u8>, mut share: Share) -> Result<Response, Problem> {
    share.resize(bytes.len())?;
    // A media type that is no field value was refused with the plugin.
    let media_type = HeaderValue::from_str(media_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    Ok(typed(media_type, share.bytes(bytes)))
}

fn typed(media_type: HeaderValue, body: Bytes) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}
