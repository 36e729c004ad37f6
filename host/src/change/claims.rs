//! Who may have which name, capability and route.

use std::collections::BTreeMap;

use plugbay_core::{CapabilityKey, Description, Reason, Refusal, Source};
use plugbay_registry::router::same_shape;

use crate::config::Config;
use crate::set::{Incumbent, Origin, Route, RouteTarget, Router};

/// Names, capabilities and routes that are given out.
pub(crate) struct Claims {
    /// And where each comes from.
    names: BTreeMap<String, Source>,
    /// And who offers each.
    capabilities: BTreeMap<(String, String), Vec<String>>,
    router: Router,
}

impl Claims {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            names: BTreeMap::new(),
            capabilities: BTreeMap::new(),
            router: configured_routes(config),
        }
    }

    /// Gives a plugin that runs what it has.
    pub(crate) fn keep(
        &mut self,
        config: &Config,
        name: &str,
        it: &Incumbent,
    ) -> Result<(), Refusal> {
        let Some(source) = it.sources.first() else { return Ok(()) };
        self.claim(config, name, source, &it.description)
    }

    /// Gives a plugin all that it describes, or nothing.
    pub(crate) fn claim(
        &mut self,
        config: &Config,
        name: &str,
        source: &Source,
        description: &Description,
    ) -> Result<(), Refusal> {
        if let Some(other) = self.names.get(name) {
            let message = format!("expected no other plugin {name:?}, found one in {other}");
            return Err(Refusal::new(Reason::NameClash, message).hint(
                "remove one of the files, or run this one under another name: \
                 [plugins.OTHER] artifact = \"…\"",
            ));
        }
        let keys = || description.capabilities.iter().map(|it| (it.kind.clone(), it.name.clone()));
        for key in keys() {
            let others = self.capabilities.get(&key).into_iter().flatten();
            let asked_for = CapabilityKey::new(&*key.0, &*key.1);
            let mut clashing = others.filter(|other| !may_share(config, &asked_for, name, other));
            if let Some(owner) = clashing.next() {
                let message = format!(
                    "expected no other plugin to offer {}:{}, found {owner:?}",
                    key.0, key.1
                );
                return Err(Refusal::new(Reason::CapabilityClash, message).hint(format!(
                    "remove one, disable it ([plugins.{owner}] enabled = false), or name both in \
                     [capabilities.\"{asked_for}\"] providers"
                )));
            }
        }
        let mut router = self.router.clone();
        suggested_routes(&mut router, name, description)?;
        self.router = router;
        for key in keys() {
            self.capabilities.entry(key).or_default().push(name.to_owned());
        }
        self.names.insert(name.to_owned(), source.clone());
        Ok(())
    }
}

/// Whether the configuration lets two plugins offer the same capability.
pub(crate) fn may_share(config: &Config, key: &CapabilityKey, one: &str, other: &str) -> bool {
    let settings = config.capabilities.get(key);
    let listed = |name: &str| {
        settings.is_some_and(|settings| settings.strategy.providers().iter().any(|it| it == name))
    };
    listed(one) && listed(other)
}

/// The routes of the configuration. It was checked that they do not clash.
pub(crate) fn configured_routes(config: &Config) -> Router {
    let mut router = Router::default();
    for route in &config.routes {
        let target = RouteTarget { handler: route.handler.clone(), origin: Origin::Config };
        let inserted = router.insert(Route::new(&route.path, target).on(&route.methods));
        debug_assert!(inserted.is_ok(), "the configuration was checked: {inserted:?}");
    }
    router
}

/// Adds the routes that a plugin suggests. Where the configuration says otherwise, it wins.
pub(crate) fn suggested_routes(
    router: &mut Router,
    name: &str,
    description: &Description,
) -> Result<(), Refusal> {
    for route in suggestions(name, description) {
        if is_configured(router, &route) || is_there(router, &route) {
            continue;
        }
        let owner = router.taken(&route).map(|other| other.value.handler.clone());
        router.insert(route).map_err(|error| {
            let message = match owner {
                Some(handler) => format!("{error} to handler {handler}"),
                None => error.to_string(),
            };
            Refusal::new(Reason::RouteClash, message)
                .hint("say in [[routes]] which handler serves the path")
        })?;
    }
    Ok(())
}

/// Adds those routes of a plugin that can stand beside the ones that are there.
pub(crate) fn routes_that_fit(router: &mut Router, name: &str, description: &Description) {
    for route in suggestions(name, description) {
        if !is_configured(router, &route) && !is_there(router, &route) {
            // What does not fit is refused where the plugin is.
            let _ = router.insert(route);
        }
    }
}

fn suggestions(name: &str, description: &Description) -> impl Iterator<Item = Route> {
    let handlers = description.capabilities.iter().filter(|it| it.kind == "handler");
    handlers.flat_map(move |capability| {
        capability.routes.iter().map(move |route| {
            let origin = Origin::Plugin(name.to_owned());
            let target = RouteTarget { handler: capability.name.clone(), origin };
            Route::new(&route.path, target).on(&route.methods)
        })
    })
}

/// Whether the configuration says who serves what `route` asks for, by whatever names its
/// pattern has for the parameters.
fn is_configured(router: &Router, route: &Route) -> bool {
    let mut configured = router.routes().filter(|it| it.value.origin == Origin::Config);
    configured.any(|it| it.shares_methods(route) && same_shape(&it.pattern, &route.pattern))
}

/// Whether the route is there already: another provider of the same handler suggests it too.
fn is_there(router: &Router, route: &Route) -> bool {
    let mut others = router.of_pattern(&route.pattern);
    others.any(|it| it.value.handler == route.value.handler && it.methods == route.methods)
}
