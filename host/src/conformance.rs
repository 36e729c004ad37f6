//! Whether a plugin can be one of an application: what `check_plugin` of a module made by
//! [`kind!`](crate::kind!) calls.

use std::fmt::Write as _;

use crate::call::{CallOptions, Error};
use crate::wasm::WasmKind;
use crate::{CallError, Config, Context, Host, Kind, Source};

/// One call of a battery: a function with fixed values.
pub type Call<K> = fn(&<K as Kind>::Call, &Context<'_>) -> Result<(), CallError>;

/// Loads the plugin alone, and calls every capability of the kind that it offers. A call passes if the plugin
/// answers, or refuses the input; it fails if the plugin fails inside, traps, exceeds a limit or breaks the contract.
///
/// # Errors
///
/// What the plugin failed, one line each.
pub fn check<K: WasmKind>(plugin: Vec<u8>, calls: &[(&str, Call<K>)]) -> Result<(), String> {
    let mut config = Config::default();
    config.host.linked = false;
    config.host.plugins = std::path::PathBuf::new();
    config.host.cache = std::path::PathBuf::new();
    // One failure must not hide the next.
    config.defaults.breaker_failures = 0;
    let builder = Host::builder().config(config).watch(false).kind::<K>();
    let source = Source::Memory("plugin".to_owned());
    let host =
        builder.artifact("plugin", plugin).build_blocking().map_err(|error| error.to_string())?;
    let status = host.status();
    // The folder, which there is none of, is listed as well.
    if let Some(refused) = status.rejected.iter().find(|it| it.source == source.to_string()) {
        return Err(format!("refused: {}: {}", refused.reason, refused.message));
    }
    let names = host.names(K::NAME);
    if names.is_empty() {
        return Err(format!("expected a capability of the kind {}, found none", K::NAME));
    }
    let mut failures = String::new();
    for name in names {
        let handle = host.get::<K>(&name).map_err(|missed| missed.to_string())?;
        for (what, call) in calls {
            let answer = handle.call(CallOptions::default(), call);
            if let Err(Error::Call(error)) = answer
                && !is_answer(&error)
            {
                let _ =
                    writeln!(failures, "{}:{name}: {what}: {}: {error}", K::NAME, error.reason());
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// Whether the plugin says by the error that it does not do this, and not that it failed.
fn is_answer(error: &CallError) -> bool {
    use crate::CallErrorKind::{InvalidInput, Unavailable, Unsupported};
    matches!(error.kind(), InvalidInput | Unsupported | Unavailable)
}
