//! Error responses with the reason and the available media types (RFC 9457).

use plugbay_sdk::{Response, Result};
use serde::Serialize;

#[derive(Serialize)]
struct Problem<'a> {
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    media_types: Vec<&'a str>,
}

/// An error response, with the available media types.
pub(crate) fn problem(status: u16, detail: &str, known: &[(String, String)]) -> Result<Response> {
    let (title, code) = match status {
        406 => ("Not Acceptable", "not-acceptable"),
        415 => ("Unsupported Media Type", "unsupported-media-type"),
        _ => ("Unprocessable Content", "unprocessable-content"),
    };
    let media_types: Vec<&str> = known.iter().map(|(_, media_type)| media_type.as_str()).collect();
    let accept_post = media_types.join(", ");
    let problem = Problem { title, status, detail, code, media_types };
    let mut response = Response::json(&problem)?.status(status);
    response.headers.clear();
    let response =
        response.header("content-type", "application/problem+json").header("vary", "accept");
    Ok(if status == 415 { response.header("accept-post", accept_post) } else { response })
}
