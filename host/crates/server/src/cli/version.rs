//! `version`

use clap::Args;
use serde::Serialize;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::print;

/// Prints the version, the commit, and what plugins are built against
#[derive(Args)]
pub(super) struct Version {}

#[derive(Serialize)]
struct Versions {
    version: &'static str,
    /// Known if the program was built from a repository.
    commit: Option<&'static str>,
    wasmtime: Option<&'static str>,
    /// The versions of `plugbay:plugin` that the host supports.
    plugin_api: Vec<String>,
    /// The versions of the C ABI of native plugins that the host supports.
    native_abi: Vec<u32>,
}

impl Version {
    #[expect(clippy::unused_self, reason = "every subcommand has this shape")]
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let versions = Versions {
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("BUILD_COMMIT"),
            wasmtime: option_env!("BUILD_WASMTIME"),
            plugin_api: plugbay::wasm::API_VERSIONS.iter().map(ToString::to_string).collect(),
            native_abi: plugbay::NATIVE_ABI_VERSIONS.to_vec(),
        };
        if globals.json {
            print::json(&versions)?;
            return Ok(Outcome::Done);
        }
        match versions.commit {
            Some(commit) => print::line(&format!("plugbay {} ({commit})", versions.version))?,
            None => print::line(&format!("plugbay {}", versions.version))?,
        }
        print::line(&format!("wasmtime {}", versions.wasmtime.unwrap_or("unknown")))?;
        print::line(&format!("plugin API {}", versions.plugin_api.join(", ")))?;
        let abi: Vec<String> = versions.native_abi.iter().map(ToString::to_string).collect();
        print::line(&format!("native ABI {}", abi.join(", ")))?;
        Ok(Outcome::Done)
    }
}
