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

use super::reading::json;
use crate::field_error::FieldError;
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
    pub headers: Vec<HeaderField>,
    /// The body.
    #[serde(default)]
    pub body: String,
}

/// A header field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderField {
    /// Its name.
    #[schema(pattern = "^[A-Za-z][A-Za-z0-9-]{0,99}$")]
    pub name: String,
    /// Its value. Of an answer with other bytes these are escaped, as `\xff`.
    #[schema(pattern = "^[\t -~]*$")]
    pub value: String,
}

/// What the data plane answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct TrialAnswer {
    /// The status.
    pub status: u16,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// The header fields.
    pub headers: Vec<HeaderField>,
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
    let asked = json(&body, r#"a request such as {"method":"GET","path":"/hello"}"#)?;
    let request = request_of(asked)?;
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
    let field = |(name, value): (&HeaderName, &HeaderValue)| HeaderField {
        name: name.to_string(),
        value: match value.to_str() {
            Ok(text) => text.to_owned(),
            Err(_) => value.as_bytes().escape_ascii().to_string(),
        },
    };
    Ok(Json(TrialAnswer {
        status: parts.status.as_u16(),
        took_ms,
        headers: headers.map(field).collect(),
        body: text(&body[..body.len().min(MAX_SHOWN)]),
        size: body.len(),
    }))
}

/// The request, or what is wrong with each of its fields.
fn request_of(asked: TrialRequest) -> Result<Request<Body>, Problem> {
    let TrialRequest { method, path, headers, body } = asked;
    let mut errors = Vec::new();
    let mut request = Request::new(Body::from(body));
    if let Ok(method) = Method::from_str(&method) {
        *request.method_mut() = method;
    } else {
        let detail = format!("expected a method such as GET, found {method:?}");
        errors.push(FieldError::at("#/method", detail));
    }
    let uri = Uri::from_str(&path).ok().filter(|uri| path.starts_with('/') && uri.path() != "");
    if let Some(uri) = uri {
        *request.uri_mut() = uri;
    } else {
        let detail = format!("expected a path such as /hello, found {path:?}");
        errors.push(FieldError::at("#/path", detail));
    }
    for (index, HeaderField { name, value }) in headers.iter().enumerate() {
        let field = HeaderName::from_str(name).ok().zip(HeaderValue::from_str(value).ok());
        if let Some((name, value)) = field {
            request.headers_mut().append(name, value);
        } else {
            let detail = format!("expected a valid header field, found {name:?}");
            errors.push(FieldError::at(format!("#/headers/{index}"), detail));
        }
    }
    let Some(first) = errors.first() else { return Ok(request) };
    let problem = Problem::bad_request(first.detail.clone());
    Err(errors.into_iter().fold(problem, Problem::error))
}
