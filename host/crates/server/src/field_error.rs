//! What is wrong with one field of a request: an entry of `errors` in a problem.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_path_to_error::{Path, Segment};
use utoipa::ToSchema;

use crate::repeated::{MAX_REPEATED, shortened};

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct FieldError {
    /// What was expected and found.
    pub detail: String,
    /// The place in a JSON body: a JSON pointer (RFC 6901) as a URI fragment, such as `#/weights/json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The name of a parameter of the query or the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
}

/// What a fragment may not have (RFC 3986, section 3.5), of a name of one step.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl FieldError {
    /// What is wrong at a JSON pointer, which is written as a URI fragment.
    pub(crate) fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), pointer: Some(pointer.into()), parameter: None }
    }

    /// What is wrong with a parameter of the query or the path.
    pub(crate) fn parameter(name: &str, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), pointer: None, parameter: Some(name.to_owned()) }
    }

    /// What is wrong at a place in a JSON body; `None` if that is the body as a whole.
    pub(crate) fn at_path(path: &Path, detail: impl Into<String>) -> Option<Self> {
        let mut pointer = String::from("#");
        for segment in path {
            let name = match segment {
                Segment::Seq { index } => index.to_string(),
                // RFC 6901, section 3.
                Segment::Map { key } => {
                    shortened(key, MAX_REPEATED).replace('~', "~0").replace('/', "~1")
                }
                // Steps of Rust's types, which JSON does not have.
                Segment::Enum { .. } | Segment::Unknown => continue,
            };
            pointer.push('/');
            pointer.extend(utf8_percent_encode(&name, ESCAPED));
        }
        (pointer.len() > 1).then(|| Self::at(pointer, detail))
    }
}
