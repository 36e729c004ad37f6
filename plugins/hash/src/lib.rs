#![doc = include_str!("../README.md")]

mod algorithms;

use std::collections::BTreeMap;

use plugbay_sdk::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use algorithms::{ALGORITHMS, Algorithm};

/// The plugin, and its one handler.
#[derive(Debug)]
pub struct Hash {
    default: Vec<Algorithm>,
}

/// `[plugins.hash.config]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The algorithms for requests without `alg`, separated by commas.
    pub default: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { default: "sha256".to_owned() }
    }
}

impl Plugin for Hash {
    const NAME: &'static str = "hash";
    const DESCRIPTION: &'static str = "digests of a body";
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        Ok(Self { default: algorithms::parse(&config.default)? })
    }
}

/// The body of an answer.
#[derive(Serialize)]
struct Digests {
    /// The length of the body.
    bytes: usize,
    /// Hexadecimal digests by algorithm.
    digests: BTreeMap<&'static str, String>,
}

impl Handler for Hash {
    const NAME: &'static str = "hash";
    const ROUTES: &'static [Route] = &[Route::new(&["POST"], "/hash")];
    const DESCRIPTION: &'static str = "digests of a body: POST /hash?alg=sha256,blake3";

    fn handle(&self, request: Request) -> Result<Response> {
        let algorithms = match request.query_param("alg") {
            Some(names) => algorithms::parse(&names)?,
            None => self.default.clone(),
        };
        let body = request.body.as_slice();
        let digests =
            algorithms.iter().map(|algorithm| (algorithm.name, (algorithm.digest)(body))).collect();
        Response::json(&Digests { bytes: body.len(), digests })
    }
}

export!(Hash: handler);
