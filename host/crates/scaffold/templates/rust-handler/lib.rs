//! Greets the name in the path.

use plugbay_sdk::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// The plugin, and its one handler.
struct PluginName {
    config: Config,
}

/// `[plugins.plugin-name.config]`
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The word to greet with.
    greeting: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { greeting: "Hello".to_owned() }
    }
}

impl Plugin for PluginName {
    const NAME: &'static str = "plugin-name";
    const DESCRIPTION: &'static str = "greets the name in the path";
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        ensure!(!config.greeting.contains('\n'), invalid_input, "expected a greeting of one line");
        Ok(Self { config })
    }
}

impl Handler for PluginName {
    const NAME: &'static str = "plugin-name";
    const ROUTES: &'static [Route] = &[Route::new(&["GET"], "/plugin-name/{name}")];

    fn handle(&self, request: Request) -> Result<Response> {
        let name = request.param("name").unwrap_or("world");
        let greeting = &self.config.greeting;
        info!(name = %name, "greets");
        Ok(Response::text(format!("{greeting}, {name}!\n")))
    }
}

export!(PluginName: handler);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_name_it_greets_the_world() -> Result<()> {
        let handler = PluginName::new(Config::default())?;
        let response = handler.handle(Request::new("GET", "/plugin-name"))?;
        assert_eq!(response.body, b"Hello, world!\n");
        Ok(())
    }
}
