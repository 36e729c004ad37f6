//! Plugins that are known by their description and do not serve, and their routes: a request for one is told why, and
//! may come again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};

use plugbay_core::{Description, Reason};
use plugbay_registry::Leased;
use plugbay_registry::router::{self, Found, Match, Router};

use super::router::Route;
use super::running::Running;

/// Why a plugin that is known does not serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Absence {
    /// It is being prepared or started.
    Starting,
    /// It was removed, and finishes its calls.
    Draining,
    /// The configuration or an operator disabled it.
    Disabled,
    /// It was refused, for this reason.
    Rejected(Reason),
}

impl Absence {
    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Draining => "draining",
            Self::Disabled => "disabled",
            Self::Rejected(_) => "rejected",
        }
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("is being started"),
            Self::Draining => f.write_str("was removed and finishes its calls"),
            Self::Disabled => f.write_str("is disabled"),
            Self::Rejected(reason) => write!(f, "was refused ({reason})"),
        }
    }
}

/// A plugin that is known and does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotServing {
    /// `name@version`.
    pub plugin: String,
    /// Why it does not serve.
    pub why: Absence,
}

/// A plugin that is absent from a generation.
#[derive(Clone)]
pub(crate) struct AbsentPlugin {
    pub(crate) description: Arc<Description>,
    pub(crate) why: Absence,
    /// The version that finishes its calls: once it is gone, the plugin is not known any more.
    pub(crate) draining: Option<Weak<Leased<Running>>>,
}

impl AbsentPlugin {
    /// What a caller is told, unless the plugin has left meanwhile.
    fn not_serving(&self) -> Option<NotServing> {
        let has_left = self.draining.as_ref().is_some_and(|it| it.strong_count() == 0);
        let Description { name, version, .. } = &*self.description;
        (!has_left).then(|| NotServing { plugin: format!("{name}@{version}"), why: self.why })
    }

    fn is_same(&self, other: &Self) -> bool {
        let leaving = |it: &Self| it.draining.as_ref().map(Weak::as_ptr);
        self.why == other.why
            && leaving(self) == leaving(other)
            && self.description == other.description
    }
}

/// All of them, and the routes that they suggest.
#[derive(Default)]
pub(crate) struct Absent {
    plugins: BTreeMap<String, AbsentPlugin>,
    router: Router<(Route, String)>,
}

impl Absent {
    /// These plugins by name, and their routes, each with the name of its plugin. Of routes that clash the first
    /// counts.
    pub(crate) fn new(
        plugins: BTreeMap<String, AbsentPlugin>,
        suggested: impl IntoIterator<Item = (String, Route)>,
    ) -> Self {
        let mut router = Router::default();
        for (plugin, route) in suggested {
            let known = router::Route::new(&*route.pattern, (route.clone(), plugin));
            let _ = router.insert(known.on(&route.methods));
        }
        Self { plugins, router }
    }

    /// The plugin that suggests a route for a request.
    pub(crate) fn route(&self, method: &str, path: &str) -> Option<NotServing> {
        let Match::Found(Found { route, .. }) = self.router.find(method, path) else { return None };
        self.plugins.get(&route.value.1)?.not_serving()
    }

    /// The plugin that offers a capability, `kind:name`.
    pub(crate) fn offering(&self, key: &str) -> Option<NotServing> {
        let offers = |it: &&AbsentPlugin| it.description.keys().any(|own| own.to_string() == key);
        self.plugins.values().filter(offers).find_map(AbsentPlugin::not_serving)
    }

    /// The routes of plugins that have not left, and why each does not serve.
    pub(crate) fn routes(&self) -> impl Iterator<Item = (&Route, Absence)> {
        self.router.routes().filter_map(|known| {
            let (route, plugin) = &known.value;
            Some((route, self.plugins.get(plugin)?.not_serving()?.why))
        })
    }

    /// The plugins that finish their calls.
    pub(crate) fn draining(&self) -> impl Iterator<Item = (&String, &AbsentPlugin)> {
        let stays =
            |it: &AbsentPlugin| it.draining.as_ref().is_some_and(|it| it.strong_count() > 0);
        self.plugins.iter().filter(move |(_, it)| stays(it))
    }

    /// Whether both hold the same plugins, in the same states.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.plugins.len() == other.plugins.len()
            && self
                .plugins
                .iter()
                .zip(&other.plugins)
                .all(|(mine, theirs)| mine.0 == theirs.0 && mine.1.is_same(theirs.1))
    }
}
