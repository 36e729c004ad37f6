//! Reads the parts of a request, and says of what it cannot read at which place that stands.

use std::error::Error as _;
use std::iter::successors;

use axum::body::Bytes;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::{PathRejection, QueryRejection};
use serde::Deserialize;
use serde::de::value;

use crate::field_error::FieldError;
use crate::problem::Problem;

/// What axum's `Query` fails with: an error of the parameters, and where it is.
type At = serde_path_to_error::Error<value::Error>;

/// Reads the JSON of a body, which the layer for repeated requests has bounded.
pub(super) fn json<'b, T: Deserialize<'b>>(body: &'b Bytes, expected: &str) -> Result<T, Problem> {
    let refused =
        |error: &serde_json::Error| Problem::bad_request(format!("expected {expected}: {error}"));
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let problem = refused(error.inner());
        match FieldError::at_path(error.path(), error.inner().to_string()) {
            // What is no JSON is wrong as a whole.
            Some(at) if error.inner().is_data() => problem.error(at),
            _ => problem,
        }
    })?;
    json.end().map_err(|error| refused(&error))?;
    Ok(value)
}

/// Why a query cannot be read, by the parameter. `expected` is an example of one that can.
pub(super) fn query_problem(rejection: &QueryRejection, expected: &str) -> Problem {
    let problem = Problem::bad_request(format!("expected {expected}: {}", rejection.body_text()));
    let mut causes = successors(rejection.source(), |&error| error.source());
    let Some(error) = causes.find_map(|cause| cause.downcast_ref::<At>()) else { return problem };
    match error.path().iter().next() {
        Some(serde_path_to_error::Segment::Map { key }) => {
            problem.error(FieldError::parameter(key, error.inner().to_string()))
        }
        _ => problem,
    }
}

/// Why a path cannot be read, by the parameter.
pub(super) fn path_problem(rejection: &PathRejection) -> Problem {
    let detail = rejection.body_text();
    let problem = Problem::bad_request(detail.clone());
    let PathRejection::FailedToDeserializePathParams(failed) = rejection else { return problem };
    match failed.kind() {
        ErrorKind::ParseErrorAtKey { key, .. } | ErrorKind::InvalidUtf8InPathParam { key } => {
            problem.error(FieldError::parameter(key, detail))
        }
        _ => problem,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::extract::Query;
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only errors are looked at")]
    struct Body {
        weights: BTreeMap<String, Vec<u8>>,
    }

    /// The first of a problem's errors.
    fn error(problem: Problem) -> Value {
        let (_, _, body) = problem.into_parts();
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["errors"][0].clone()
    }

    #[test]
    fn a_wrong_value_in_a_body_is_named_by_its_place() {
        let at = |body: &str| {
            error(json::<Body>(&Bytes::copy_from_slice(body.as_bytes()), "weights").unwrap_err())
        };
        let wrong = at(r#"{"weights":{"json":[1,"x"]}}"#);
        assert_eq!(wrong["pointer"], "#/weights/json/1");
        assert!(wrong["detail"].as_str().unwrap().contains("expected u8"), "{wrong}");
        // RFC 6901, sections 3 and 6: a slash and a tilde are escaped, and then what no fragment may have.
        let wrong = at(r#"{"weights":{"a/b~c d\u00e9%":[-1]}}"#);
        assert_eq!(wrong["pointer"], "#/weights/a~1b~0c%20d%C3%A9%25/0");
        assert_eq!(at(r#"{"wieghts":{}}"#)["pointer"], "#/wieghts");
        for whole in ["", "{", r#"{"weights":{}} x"#, "[]", "{}"] {
            assert_eq!(at(whole), Value::Null, "{whole}");
        }
    }

    #[test]
    fn a_wrong_parameter_of_a_query_is_named() {
        let uri = "/v1/logs?limit=1&after=soon".parse().unwrap();
        let rejection = Query::<BTreeMap<String, u64>>::try_from_uri(&uri).unwrap_err();
        let problem = query_problem(&rejection, "?after=NUMBER");
        assert_eq!(error(problem)["parameter"], "after");
    }
}
