#![doc = include_str!("../README.md")]

mod formats;
mod problem;

use plugbay_accept::{best, essence, parameter};
use plugbay_sdk::prelude::*;

pub use formats::{Formats, HostFormats};
use problem::problem;

/// The plugin, and its one handler. Its formats are the host's codecs; tests use others.
#[derive(Debug)]
pub struct Transcode<F = HostFormats> {
    formats: F,
}

/// The plugin as it is exported.
type HostTranscode = Transcode<HostFormats>;

impl Plugin for Transcode<HostFormats> {
    const NAME: &'static str = "transcode";
    const DESCRIPTION: &'static str =
        "converts a body from the format of one codec to that of another";
    type Config = ();

    fn new((): ()) -> Result<Self> {
        Ok(Self { formats: HostFormats })
    }
}

impl<F> Transcode<F> {
    /// A handler with these formats.
    pub fn over(formats: F) -> Self {
        Self { formats }
    }
}

impl<F: Formats> Handler for Transcode<F> {
    const NAME: &'static str = "transcode";
    const ROUTES: &'static [Route] = &[Route::new(&["POST"], "/transcode")];
    const DESCRIPTION: &'static str = "reads a body by its Content-Type, and writes it by Accept";

    fn handle(&self, mut request: Request) -> Result<Response> {
        let input = std::mem::take(&mut request.body);
        // Pairs of a codec and a media type.
        let known = self.formats.available();
        let content_type = request.header("content-type").unwrap_or("");
        let Some(source) = source(&known, &essence(content_type)) else {
            let detail = match content_type {
                "" => "expected a Content-Type, found none".to_owned(),
                other => format!("expected a Content-Type that a codec reads, found {other:?}"),
            };
            return problem(415, &detail, &known);
        };
        let is_utf8 =
            |charset: &&str| ["utf-8", "us-ascii"].contains(&charset.to_ascii_lowercase().as_str());
        if let Some(charset) =
            parameter(content_type, "charset").filter(|charset| !is_utf8(charset))
        {
            return problem(415, &format!("expected charset utf-8, found {charset:?}"), &known);
        }
        let types = preferred(&known);
        let accept = request.header("accept");
        let Some(target) =
            best(accept, &types.iter().map(|(_, media_type)| media_type).collect::<Vec<_>>())
        else {
            let detail = format!(
                "expected an Accept with a media type that a codec writes, found {:?}",
                accept.unwrap_or("")
            );
            return problem(406, &detail, &known);
        };
        let (target, media_type) = types[target];
        let context = |doing: &str, codec: &str| format!("{doing} {codec}");
        let document = match self.formats.decode(source, &input) {
            Err(error) if error.kind() == Some(ErrorKind::Unsupported) => {
                return problem(422, &error.context(context("reading", source)).to_string(), &[]);
            }
            document => document.map_err(|error| error.context(context("reading", source)))?,
        };
        // Its memory is enough for a part of the answer.
        drop(input);
        let body = match self.formats.encode(target, &document) {
            Err(error) if error.kind() == Some(ErrorKind::Unsupported) => {
                return problem(422, &error.context(context("writing", target)).to_string(), &[]);
            }
            body => body.map_err(|error| error.context(context("writing", target)))?,
        };
        drop(document);
        Ok(Response::new(200)
            .header("content-type", media_type)
            .header("vary", "accept")
            .body(body))
    }
}

/// The codec that reads a media type: one that lists it, or one whose name is the structured syntax
/// suffix (RFC 6839), such as `json` in `application/problem+json`.
fn source<'k>(known: &'k [(String, String)], essence: &str) -> Option<&'k str> {
    let named = known.iter().find(|(_, media_type)| media_type.eq_ignore_ascii_case(essence));
    let suffix = || {
        let (_, suffix) = essence.rsplit_once('+')?;
        known.iter().find(|(codec, _)| codec == suffix)
    };
    named.or_else(suffix).map(|(codec, _)| codec.as_str())
}

/// The same list with JSON first, for clients that accept anything.
fn preferred(known: &[(String, String)]) -> Vec<(&str, &str)> {
    let mut types: Vec<(&str, &str)> =
        known.iter().map(|(codec, media_type)| (codec.as_str(), media_type.as_str())).collect();
    types.sort_by_key(|(codec, _)| *codec != "json");
    types
}

export!(HostTranscode: handler);
