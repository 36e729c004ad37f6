//! Sends one request to the data plane from within the process, for the tester of routes in the dashboard: a page of
//! the admin plane may not connect to another origin.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use tower::ServiceExt as _;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ArrayItems};
use utoipa::openapi::{ObjectBuilder, Type};

use super::actions::read;
use crate::problem::Problem;
use crate::shared::Shared;

/// The most bytes of an answer's body that are shown.
const MAX_SHOWN: usize = 64 << 10;

/// The body of `POST /v1/routes/test`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrialRequest {
    /// The method, such as `GET`.
    #[schema(pattern = "^[A-Z]{1,16}$")]
    pub method: String,
    /// The path, with its query.
    #[schema(pattern = "^/[A-Za-z0-9/_.~%?&=+,:;@!$'()*-]*$")]
    pub path: String,
    /// Header fields.
    #[serde(default)]
    #[schema(schema_with = header_fields)]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default)]
    pub body: String,
}

/// Names and values that a request may have.
fn header_fields() -> ArrayBuilder {
    let text = |pattern| ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
    let [name, value] = [r"^[A-Za-z][A-Za-z0-9-]{0,99}$", r"^[ -~]*$"].map(text);
    let field = ArrayBuilder::new().prefix_items([name, value]).items(ArrayItems::False);
    let field =
        field.min_items(Some(2)).max_items(Some(2)).description(Some("A name and a value."));
    ArrayBuilder::new().items(field)
}

/// What the data plane answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct TrialAnswer {
    /// The status.
    pub status: u16,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// The header fields. Bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body. Bytes that are not UTF-8 are replaced.
    pub body: String,
    /// How many bytes the body has.
    pub size: usize,
}

/// Sends one request to the data plane from within the process, and shows the answer.
#[utoipa::path(
    post, path = "/v1/routes/test", tag = "act", operation_id = "test_route",
    request_body(content = TrialRequest, example = json!({"method": "GET", "path": "/hello"})),
    responses((status = 200, description = "What the data plane answered", body = TrialAnswer)),
)]
pub(super) async fn test(
    State(shared): State<Arc<Shared>>,
    body: Bytes,
) -> Result<Json<TrialAnswer>, Problem> {
    let asked = read(&body, r#"a request such as {"method":"GET","path":"/hello"}"#)?;
    let request = request_of(asked).map_err(Problem::bad_request)?;
    let plane = shared.data.get().ok_or_else(|| {
        Problem::not_found("the application serves the data plane itself: send the request to it")
    })?;
    let began = Instant::now();
    let Ok(response) = plane.clone().oneshot(request).await;
    let took_ms = began.elapsed().as_secs_f64() * 1000.0;
    let (parts, body) = response.into_parts();
    // The data plane bounds its answers.
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let headers = parts.headers.iter();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Json(TrialAnswer {
        status: parts.status.as_u16(),
        took_ms,
        headers: headers.map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
        body: text(&body[..body.len().min(MAX_SHOWN)]),
        size: body.len(),
    }))
}

fn request_of(asked: TrialRequest) -> Result<Request<Body>, String> {
    let TrialRequest { method, path, headers, body } = asked;
    let method = Method::from_str(&method)
        .map_err(|_| format!("expected a method such as GET, found {method:?}"))?;
    let uri = Uri::from_str(&path).ok().filter(|uri| path.starts_with('/') && uri.path() != "");
    let uri = uri.ok_or_else(|| format!("expected a path such as /hello, found {path:?}"))?;
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        let field = HeaderName::from_str(&name).ok().zip(HeaderValue::from_str(&value).ok());
        let (known, value) =
            field.ok_or_else(|| format!("expected a valid header field, found {name:?}"))?;
        request = request.header(known, value);
    }
    request.body(Body::from(body)).map_err(|error| format!("expected a valid request: {error}"))
}
