//! Finds what serves a request.

use std::borrow::Cow;
use std::str::Utf8Error;
use std::sync::Arc;

use axum::http::{HeaderMap, Method, Request, header};
use percent_encoding::percent_decode_str;
use plugbay::config::RouteOptions;
use plugbay::runtime::Direction;
use plugbay::{RouteMatch, Snapshot};

use super::codecs;
use crate::problem::{MAX_REPEATED, shortened};

/// The paths of the data plane that no route can replace, for
/// [`Builder::reserved`](plugbay::Builder::reserved).
pub const RESERVED_PATHS: [&str; 3] = [CODECS, codecs::ENCODE, codecs::DECODE];
const CODECS: &str = "/v1/codecs";

/// What serves a request.
pub(super) enum Target {
    /// The list of the codecs.
    Codecs,
    /// A codec, by its name, which is not text if it was not encoded as UTF-8.
    Codec(Result<String, Utf8Error>, Direction),
    /// What the routes of the generation say.
    Route(RouteMatch),
    /// A browser asks for a page of another origin whether it may use a route with these options.
    Preflight(Arc<RouteOptions>),
}

impl Target {
    pub(super) fn of<B>(snapshot: &Snapshot, request: &Request<B>) -> Self {
        let (method, path) = (request.method(), request.uri().path());
        match reserved(path) {
            None => {
                let preflight = (*method == Method::OPTIONS)
                    .then(|| Self::preflight(snapshot, request.headers(), path));
                let routed = || Self::Route(snapshot.route(method.as_str(), path));
                preflight.flatten().unwrap_or_else(routed)
            }
            Some(Reserved::Codecs) => Self::Codecs,
            Some(Reserved::Codec(name, direction)) => {
                let name = percent_decode_str(name).decode_utf8().map(Cow::into_owned);
                Self::Codec(name, direction)
            }
        }
    }

    /// A preflight of a route that pages of other origins may use.
    fn preflight(snapshot: &Snapshot, headers: &HeaderMap, path: &str) -> Option<Self> {
        let wanted = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?.to_str().ok()?;
        let RouteMatch::Found(routed) = snapshot.route(wanted, path) else { return None };
        let options = routed.options().filter(|it| it.cors.is_some())?;
        Some(Self::Preflight(Arc::clone(options)))
    }

    /// How the requests of its route are served, if the configuration says something about it.
    pub(super) fn options(&self) -> Option<&Arc<RouteOptions>> {
        match self {
            Self::Route(RouteMatch::Found(routed)) => routed.options(),
            Self::Preflight(options) => Some(options),
            _ => None,
        }
    }

    /// The handler or the codec, and the pattern of its route, for the log.
    pub(super) fn names(&self) -> (Option<&str>, Option<Cow<'_, str>>, Option<&str>) {
        match self {
            Self::Route(RouteMatch::Found(routed)) => {
                (Some(routed.handler()), None, Some(routed.pattern()))
            }
            Self::Codec(Ok(name), direction) => {
                // Nobody has checked yet that there is such a codec.
                let name = shortened(name, MAX_REPEATED);
                (None, Some(name), Some(codecs::pattern(*direction)))
            }
            Self::Codecs => (None, None, Some(CODECS)),
            Self::Codec(Err(_), _) | Self::Route(_) | Self::Preflight(_) => (None, None, None),
        }
    }
}

/// One of [`RESERVED_PATHS`].
#[derive(Debug, PartialEq, Eq)]
enum Reserved<'p> {
    Codecs,
    /// The codec's name as it came.
    Codec(&'p str, Direction),
}

fn reserved(path: &str) -> Option<Reserved<'_>> {
    let rest = path.strip_prefix(CODECS)?;
    if rest.is_empty() {
        return Some(Reserved::Codecs);
    }
    let (name, direction) = rest.strip_prefix('/')?.split_once('/')?;
    let direction = match direction {
        "encode" => Direction::Encode,
        "decode" => Direction::Decode,
        _ => return None,
    };
    (!name.is_empty()).then_some(Reserved::Codec(name, direction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_path_is_served_by_the_codecs_and_others_by_routes() {
        let convert = |name, direction| Some(Reserved::Codec(name, direction));
        assert_eq!(reserved("/v1/codecs"), Some(Reserved::Codecs));
        assert_eq!(reserved("/v1/codecs/a/encode"), convert("a", Direction::Encode));
        assert_eq!(reserved("/v1/codecs/a%2Fb/decode"), convert("a%2Fb", Direction::Decode));
        for path in [
            "/",
            "/v1",
            "/v1/codecs/",
            "/v1/codecsx",
            "/v1/codecs/a",
            "/v1/codecs//encode",
            "/v1/codecs/a/b/encode",
            "/v1/codecs/a/encode/",
            "/v1/codecs/a/ENCODE",
        ] {
            assert_eq!(reserved(path), None, "{path}");
        }
    }
}
