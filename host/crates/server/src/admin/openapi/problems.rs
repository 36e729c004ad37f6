//! The problems that an operation answers, in its description: one response for each status, with an example for each
//! code.

use axum::http::StatusCode;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::path::{Operation, Paths};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, ResponseBuilder, Type,
};

use crate::problem::ProblemDetails;

/// The stable codes of the admin plane, the status of each, and an example of its detail.
const CODES: &[(&str, StatusCode, &str)] = &[
    (
        "bad-request",
        StatusCode::BAD_REQUEST,
        "expected no parameter, or dry_run=true; found \"dry\"",
    ),
    (
        "weights",
        StatusCode::CONFLICT,
        "expected a capability that is shared by weights, found codec:json",
    ),
    ("unauthenticated", StatusCode::UNAUTHORIZED, "expected a token: Authorization: Bearer TOKEN"),
    ("role", StatusCode::FORBIDDEN, "expected the role operator, found that dashboard is a viewer"),
    ("forbidden", StatusCode::FORBIDDEN, "web pages of another origin may not use the admin plane"),
    ("not-found", StatusCode::NOT_FOUND, "no plugin \"helo\"; did you mean \"hello\"?"),
    (
        "unknown-generation",
        StatusCode::NOT_FOUND,
        "expected a generation of the history (3, 4), found 1",
    ),
    (
        "not-running",
        StatusCode::CONFLICT,
        "expected a plugin that runs, found \"hello\", which does not: it is disabled",
    ),
    ("refused", StatusCode::CONFLICT, "restart of hello is refused: hello.wasm: init failed"),
    (
        "not-upgraded",
        StatusCode::CONFLICT,
        "this process serves on: process 4711 ended with exit status: 2 before it served",
    ),
    ("busy", StatusCode::CONFLICT, "another profile is being recorded"),
    (
        "in-progress",
        StatusCode::CONFLICT,
        "the request with this Idempotency-Key is still acted on",
    ),
    (
        "body-too-large",
        StatusCode::PAYLOAD_TOO_LARGE,
        "expected a body of at most 65536 bytes, found a larger one",
    ),
    (
        "misdirected",
        StatusCode::MISDIRECTED_REQUEST,
        "expected a Host that names this machine, found \"example.org\"",
    ),
    (
        "key-reused",
        StatusCode::UNPROCESSABLE_ENTITY,
        "expected the request that this Idempotency-Key was used for, found another one",
    ),
    ("rate-limited", StatusCode::TOO_MANY_REQUESTS, "too many requests with this token; wait 1 s"),
    ("internal", StatusCode::INTERNAL_SERVER_ERROR, "the server failed"),
    ("not-implemented", StatusCode::NOT_IMPLEMENTED, "profiles cannot be recorded on this system"),
    (
        "audit",
        StatusCode::SERVICE_UNAVAILABLE,
        "the request is not acted on, because it cannot be written to the audit log (admin.audit)",
    ),
    (
        "overloaded",
        StatusCode::SERVICE_UNAVAILABLE,
        "expected at most 64 event streams at the same time",
    ),
    ("starting", StatusCode::SERVICE_UNAVAILABLE, "the first generation is being built"),
    ("stopped", StatusCode::SERVICE_UNAVAILABLE, "the host is shut down"),
    ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "the host is shut down"),
];

const MEDIA_TYPE: &str = "application/problem+json";

/// Adds problems to the operations of these paths.
pub(in crate::admin) fn with_problems(paths: &mut Paths, codes: &[&str]) {
    for item in paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            add(operation, codes);
        }
    }
}

/// Adds problems to an operation. A code that is not in the list is a mistake that a test finds.
pub(super) fn add(operation: &mut Operation, codes: &[&str]) {
    for (code, status, _) in CODES.iter().filter(|(code, ..)| codes.contains(code)) {
        let all = &mut operation.responses.responses;
        let response = all.entry(status.as_u16().to_string()).or_insert_with(|| {
            let mut response = ResponseBuilder::new();
            if [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(status) {
                let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
                let header = HeaderBuilder::new().schema(Some(seconds));
                let header = header.description(Some("When to ask again, in seconds."));
                response = response.header("Retry-After", header.build());
            }
            RefOr::T(response.description(status.canonical_reason().unwrap_or_default()).build())
        });
        let RefOr::T(response) = response else { continue };
        let content = response.content.entry(MEDIA_TYPE.to_owned()).or_insert_with(|| {
            let schema = Ref::from_schema_name("ProblemDetails");
            RefOr::T(ContentBuilder::new().schema(Some(schema)).build())
        });
        let RefOr::T(content) = content else { continue };
        let example = Ref::new(format!("#/components/examples/{code}"));
        content.examples.insert((*code).to_owned(), RefOr::Ref(example));
    }
}

/// An example of each problem, by its code.
pub(super) fn examples() -> impl Iterator<Item = (String, RefOr<Example>)> {
    CODES.iter().map(|(code, status, detail)| {
        ((*code).to_owned(), RefOr::T(example(code, *status, detail)))
    })
}

fn example(code: &'static str, status: StatusCode, detail: &'static str) -> Example {
    let problem = ProblemDetails {
        r#type: "about:blank".into(),
        title: status.canonical_reason().unwrap_or_default().into(),
        status: status.as_u16(),
        code: code.into(),
        detail: detail.into(),
        instance: None,
        plugin: None,
        errors: Vec::new(),
    };
    ExampleBuilder::new().value(serde_json::to_value(problem).ok()).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_table_of_problems() {
        let table = include_str!("../../problem.rs");
        for (code, status, _) in CODES {
            let is_row =
                |line: &&str| line.starts_with("//! | `") && line.contains(&format!("`{code}`"));
            let row = table.lines().find(is_row).unwrap_or_else(|| panic!("no row of {code}"));
            assert!(row.contains(&format!("| {} |", status.as_u16())), "{code}: {row}");
        }
    }
}
