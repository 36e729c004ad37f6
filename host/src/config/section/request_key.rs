//! The key of sticky requests: requests with the same key go to the same plugin.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::config::problem::render;
use crate::config::read::setting::{BadValue, Setting, text};
use crate::config::read::tree::Node;

/// The part of a request that makes it sticky to one of several plugins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RequestKey {
    /// `header:x-user`: the value of this header, in lower case.
    Header(String),
    /// `query:user`: the value of this parameter of the query.
    Query(String),
    /// `param:name`: the value of `{name}` in the route's path.
    Param(String),
    /// `path`: the whole path.
    Path,
}

impl fmt::Display for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestKey::Header(name) => write!(f, "header:{name}"),
            RequestKey::Query(name) => write!(f, "query:{name}"),
            RequestKey::Param(name) => write!(f, "param:{name}"),
            RequestKey::Path => f.write_str("path"),
        }
    }
}

impl Serialize for RequestKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Setting for RequestKey {
    const EXPECTED: &'static str = "a request key such as \"header:x-user\"";

    fn from_node(node: &Node) -> Result<RequestKey, BadValue> {
        let text = text(node)?;
        parse(text).ok_or_else(|| {
            let hint = "write \"header:NAME\", \"query:NAME\", \"param:NAME\" (of the route's path) \
                        or \"path\"";
            BadValue::Value { found: render::quoted(text), hint: Some(hint.to_owned()) }
        })
    }

    fn show(&self) -> String {
        render::quoted(&self.to_string())
    }
}

/// The longest name, in bytes.
const LONGEST: usize = 128;

fn parse(text: &str) -> Option<RequestKey> {
    if text == "path" {
        return Some(RequestKey::Path);
    }
    let (part, name) = text.split_once(':')?;
    if name.is_empty() || name.len() > LONGEST || name.chars().any(char::is_control) {
        return None;
    }
    match part {
        "header" => {
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            name.bytes().all(token).then(|| RequestKey::Header(name.to_ascii_lowercase()))
        }
        "query" => Some(RequestKey::Query(name.to_owned())),
        "param" => {
            (!name.contains(['/', '{', '}', '*'])).then(|| RequestKey::Param(name.to_owned()))
        }
        _ => None,
    }
}
