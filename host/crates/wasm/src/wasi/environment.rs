//! `wasi:cli/environment`: the granted variables, no arguments, no working directory.

use plugbay_core::Grant;
use wasmtime_wasi::p2::bindings::cli::environment;

use super::Wasi;
use crate::sandbox::state::State;

impl environment::Host for State {
    /// Without a granted variable each call counts as denied. A plugin with some gets these; the
    /// host does not see which others it looked for.
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        self.host_call()?;
        if self.sandbox.grants().environment.0.is_empty() {
            self.sandbox.deny(Grant::Environment, "read environment variables");
            return Ok(Vec::new());
        }
        let Wasi { context, table, .. } = self.wasi();
        let mut view = wasmtime_wasi::cli::WasiCliCtxView { ctx: context.cli(), table };
        environment::Host::get_environment(&mut view)
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        self.host_call()?;
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        self.host_call()?;
        Ok(None)
    }
}
