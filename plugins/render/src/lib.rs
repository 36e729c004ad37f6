#![doc = include_str!("../README.md")]

mod html;
mod url;

use plugbay_sdk::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

pub use html::{TooLong, html};

/// The plugin, and its one handler.
#[derive(Debug)]
pub struct Render {
    config: Config,
}

/// `[plugins.render.config]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The maximum number of bytes of Markdown; the response to more is status 413.
    pub max_input: usize,
    /// The maximum number of bytes of HTML, since link definitions can turn a short text into a
    /// long page; the response to more is status 413.
    pub max_output: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_input: 512 << 10, max_output: 4 << 20 }
    }
}

impl Plugin for Render {
    const NAME: &'static str = "render";
    const DESCRIPTION: &'static str = "Markdown to safe HTML";
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        Ok(Self { config })
    }
}

impl Handler for Render {
    const NAME: &'static str = "render";
    const ROUTES: &'static [Route] = &[Route::new(&["POST"], "/render")];
    const DESCRIPTION: &'static str = "Markdown (CommonMark) to a safe subset of HTML";

    fn handle(&self, request: Request) -> Result<Response> {
        let content_type = request.header("content-type").unwrap_or("text/markdown");
        let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        ensure!(
            matches!(essence.as_str(), "text/markdown" | "text/x-markdown" | "text/plain"),
            unsupported,
            "expected text/markdown or text/plain, found {content_type:?}"
        );
        if request.body.len() > self.config.max_input {
            return Ok(too_long("Markdown", self.config.max_input));
        }
        let Ok(markdown) = std::str::from_utf8(&request.body) else {
            bail!(invalid_input, "expected text in UTF-8, found other bytes");
        };
        let Ok(html) = html(markdown, self.config.max_output) else {
            return Ok(too_long("HTML", self.config.max_output));
        };
        Ok(Response::new(200)
            .header("content-type", "text/html; charset=utf-8")
            // A second protection: even if the page were unsafe, the browser would run no script.
            .header("content-security-policy", "default-src 'none'; img-src http: https: 'self'")
            .header("x-content-type-options", "nosniff")
            .body(html))
    }
}

fn too_long(what: &str, bytes: usize) -> Response {
    Response::text(format_args!("expected at most {bytes} bytes of {what}, found more\n"))
        .status(413)
}

export!(Render: handler);
