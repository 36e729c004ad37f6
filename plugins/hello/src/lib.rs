#![doc = include_str!("../README.md")]

use plugbay_sdk::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The plugin, and its one handler.
#[derive(Debug)]
pub struct Hello {
    config: Config,
}

/// `[plugins.hello.config]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The word to greet with.
    pub greeting: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { greeting: "Hello".to_owned() }
    }
}

impl Plugin for Hello {
    const NAME: &'static str = "hello";
    const DESCRIPTION: &'static str = "answers with a greeting";
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        Ok(Self { config })
    }
}

/// The body of a response in JSON.
#[derive(Serialize)]
struct HelloBody<'a> {
    greeting: &'a str,
    name: &'a str,
    message: &'a str,
}

impl Handler for Hello {
    const NAME: &'static str = "hello";
    const ROUTES: &'static [Route] =
        &[Route::new(&["GET"], "/hello"), Route::new(&["GET"], "/hello/{name}")];
    const DESCRIPTION: &'static str = "greets the name in the path, or the world";
    const NONBLOCKING: bool = true;

    fn handle(&self, request: Request) -> Result<Response> {
        let greeting = &self.config.greeting;
        let name = request.param("name").unwrap_or("world");
        let message = format!("{greeting}, {name}!");
        let json =
            plugbay_accept::best(request.header("accept"), &["text/plain", "application/json"])
                == Some(1);
        let response = if json {
            Response::json(&HelloBody { greeting, name, message: &message })?
        } else {
            // A client that accepts neither gets text.
            Response::text(&message)
        };
        Ok(response.header("vary", "accept"))
    }
}

export!(Hello: handler);
