//! One plugin: its stable version, and its version on trial.
//!
//! `/v1/plugins/{name}` and the command line both use this view of a [`Status`].

use plugbay::Status;

use super::bodies::Versions;

/// Finds the plugin of this name, or the first one that offers this `KIND:NAME`.
///
/// # Errors
///
/// If there is none. The message lists the plugins that run.
pub fn plugin(status: &Status, what: &str) -> Result<Versions, String> {
    let offers = |kind: &str, name: &str| format!("{kind}:{name}") == what;
    let mut capabilities = status.capabilities.iter();
    let by_capability = capabilities.find(|it| offers(&it.kind, &it.name));
    let name = by_capability.map_or(what, |capability| &capability.plugin);
    let version = |on_trial: bool| {
        let mut plugins = status.plugins.iter();
        plugins.find(|it| it.name == name && it.trial.is_some() == on_trial).cloned()
    };
    let versions = version(false).map(|stable| Versions { stable, canary: version(true) });
    versions.ok_or_else(|| {
        let mut known: Vec<_> = status.plugins.iter().map(|plugin| &*plugin.name).collect();
        known.dedup();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        format!("no plugin {what:?} is running; running: {known}")
    })
}
