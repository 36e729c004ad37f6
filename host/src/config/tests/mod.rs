//! Tests of the configuration through its public API.

mod capabilities;
mod example_file;
#[cfg(unix)]
mod folders;
mod grants;
mod hints;
mod hostile;
mod http;
mod kept;
mod layers;
mod limits;
mod messages;
mod migrations;
mod network;
mod schema;
mod sections;
mod telemetry;
mod vocabulary;

use std::path::Path;

use super::{Config, ConfigError};

/// The config of a file named `config.toml` in the working directory.
fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("config.toml"))
}

fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|error| panic!("refused:\n{error}"))
}

fn refused(text: &str) -> ConfigError {
    parse(text).expect_err("a refusal")
}

/// `key: message` of every problem.
fn brief(error: &ConfigError) -> Vec<String> {
    error
        .problems
        .iter()
        .map(|problem| {
            let key = problem.key.as_deref().unwrap_or("-");
            format!("{key}: {}", problem.message)
        })
        .collect()
}
