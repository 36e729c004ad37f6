//! What every plugin has: a name, a configuration, a lifecycle.

use crate::Result;

/// A plugin: what an artifact holds. [`export!`](crate::export) makes the crate one.
///
/// The host makes any number of instances of it, each by [`new`](Plugin::new), and drops each
/// after [`shutdown`](Plugin::shutdown). A component's instance serves one call at a time; a
/// native one serves calls from many threads at once, hence `Send + Sync` and `&self`: what changes
/// during calls lives in atomics, a `Mutex` or a `RwLock`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a plugin",
    label = "this type does not implement `Plugin`",
    note = "write `impl Plugin for {Self} {{ .. }}` with NAME, DESCRIPTION, Config and new"
)]
pub trait Plugin: Sized + Send + Sync + 'static {
    /// Its name: lowercase letters, digits, `-`, `_`, `.`; at most 64 characters.
    const NAME: &'static str;

    /// One line for people, at most 1,024 characters.
    const DESCRIPTION: &'static str;

    /// Its configuration: `()`, or a struct that derives `serde::Deserialize` and
    /// `schemars::JsonSchema`. The operator writes it under `[plugins.NAME.config]`; the host
    /// checks it against the derived schema before it makes an instance.
    type Config: Config;

    /// Prepares one instance: called exactly once for each, before any other method.
    ///
    /// # Errors
    ///
    /// With an error the host refuses this version of the plugin, and keeps the last good one. An
    /// error without a kind is [`ErrorKind::Internal`](crate::ErrorKind::Internal).
    fn new(config: Self::Config) -> Result<Self>;

    /// Says whether the instance can serve. Called after `new`, and periodically.
    ///
    /// # Errors
    ///
    /// [`Error::unavailable`](crate::Error::unavailable) says that the instance cannot serve now;
    /// any other error counts as a failure.
    fn health(&self) -> Result<()> {
        Ok(())
    }

    /// The last call that an instance gets before it is dropped.
    fn shutdown(&self) {}
}

/// A type that a plugin's configuration can have: `()`, or any that derives
/// `serde::Deserialize` and `schemars::JsonSchema`. Implemented by every type that qualifies.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a plugin's configuration",
    label = "not a configuration",
    note = "derive it: `#[derive(serde::Deserialize, schemars::JsonSchema)]`, or use `type Config = ()`"
)]
pub trait Config: Sized + 'static {
    /// Its JSON Schema (draft 2020-12) as JSON text; `None` for `()`.
    #[doc(hidden)]
    fn schema() -> Option<String>;

    /// Reads it from a JSON object.
    #[doc(hidden)]
    fn parse(json: &str) -> Result<Self>;
}

#[cfg(feature = "config")]
impl<T: serde::de::DeserializeOwned + schemars::JsonSchema + 'static> Config for T {
    fn schema() -> Option<String> {
        if is_unit::<T>() {
            return None;
        }
        let schema = schemars::generate::SchemaSettings::draft2020_12()
            .into_generator()
            .into_root_schema_for::<T>();
        serde_json::to_string(&schema).ok()
    }

    fn parse(json: &str) -> Result<Self> {
        if is_unit::<T>() {
            // Keeps the JSON reader out of plugins without a configuration.
            let unit = serde::de::value::UnitDeserializer::<serde::de::value::Error>::new();
            return Ok(T::deserialize(unit)?);
        }
        let mut reader = serde_json::Deserializer::from_str(json);
        serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            let at = if path == "." { "config".to_owned() } else { format!("config.{path}") };
            crate::Error::invalid_input(error.into_inner()).context(at)
        })
    }
}

/// Whether `T` is `()`. The compiler folds it, and drops the code that only a struct needs.
#[cfg(feature = "config")]
fn is_unit<T: 'static>() -> bool {
    std::any::TypeId::of::<T>() == std::any::TypeId::of::<()>()
}

#[cfg(not(feature = "config"))]
impl Config for () {
    fn schema() -> Option<String> {
        None
    }

    fn parse(_: &str) -> Result<Self> {
        Ok(())
    }
}
