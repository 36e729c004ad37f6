//! The trait that [`export!`](crate::export) implements for every plugin, whatever its form.

use crate::route::Route;

/// A plugin that [`export!`](crate::export) was called for. Only the macro implements it.
///
/// It does not require [`Plugin`](crate::Plugin), whose own requirements the compiler would then check,
/// and report, a second time where the macro implements this trait.
pub trait Exported {
    /// The version of the plugin's crate.
    const VERSION: &'static str;
    /// The description of each of its capabilities. Calls name a capability by its index here.
    const INFOS: &'static [fn() -> Info];
}

/// The description of a capability: the constants of the trait that implements it.
#[derive(Clone, Copy)]
pub struct Info {
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) media_types: &'static [&'static str],
    pub(crate) routes: &'static [Route],
    #[cfg_attr(target_family = "wasm", expect(dead_code, reason = "a component is interrupted"))]
    pub(crate) nonblocking: bool,
}
