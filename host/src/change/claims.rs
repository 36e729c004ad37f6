//! Assigns names, capabilities and routes to plugins: the one arbiter of clashes. Each
//! reconciliation uses it three times, with the same rules: for the desired plugins, before any of
//! them is started ([`resolve`](super::desired::resolve)); for those that were refused then, after
//! some plugins did not start ([`readmitted`]); and for the members of the next set ([`settle`]),
//! in which a last good version may replace one that did not start.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use plugbay_core::handler::Handler;
use plugbay_core::{CapabilityKey, Description, Kind as _, Reason, Refusal, Source, key_part};
use plugbay_registry::router::{PatternProblem, RouteError, shape};

use crate::config::Config;
use crate::report::Rejection;
use crate::set::{Generation, Incumbent, Member, Route, RouteOrigin, RouteTarget, Router, Wanted};

/// A plugin that clashed with another that should run.
#[derive(Clone, Debug)]
pub(crate) struct Contested {
    pub(crate) wanted: Wanted,
    pub(crate) refusal: Refusal,
    /// Whether the running version with the same name stays only because this one is refused: then
    /// the two do not clash.
    pub(crate) replaces_running: bool,
}

impl Contested {
    /// The refusal, unless the plugin is linked: a linked plugin that clashes is left out without a
    /// report.
    pub(crate) fn into_refused(self) -> Option<Rejection> {
        let reported = !matches!(self.wanted.offer.source, Source::Linked(_));
        reported.then(|| self.wanted.refused(self.refusal))
    }
}

/// The name, capabilities and routes that one plugin asks for.
pub(crate) struct Claim<'a> {
    pub(crate) name: &'a str,
    pub(crate) source: &'a Source,
    /// The descriptions of its versions; the version that is not on trial first.
    pub(crate) descriptions: Vec<&'a Description>,
    /// Whether it serves already: then it keeps what it has, and at most loses a route to one in
    /// the configuration.
    pub(crate) serves: bool,
}

impl<'a> Claim<'a> {
    /// The claim of a desired plugin.
    pub(crate) fn of_wanted(wanted: &'a Wanted) -> Self {
        Self {
            name: &wanted.identity.name,
            source: &wanted.offer.source,
            descriptions: vec![&wanted.offer.description],
            serves: false,
        }
    }

    /// The claim of a running plugin.
    pub(crate) fn of_incumbent(name: &'a str, it: &'a Incumbent) -> Option<Self> {
        let descriptions = it.descriptions.iter().map(|it| &**it).collect();
        Some(Self { name, source: it.sources.first()?, descriptions, serves: true })
    }

    fn of_member(member: &'a Member, serves: bool) -> Self {
        Self {
            name: &member.running.identity.name,
            source: &member.source,
            descriptions: member.all().map(|running| &*running.description).collect(),
            serves,
        }
    }

    fn keys(&self) -> BTreeSet<CapabilityKey> {
        self.descriptions.iter().flat_map(|it| it.keys()).collect()
    }
}

/// Names, capabilities and routes that are assigned so far.
pub(crate) struct Claims<'c> {
    config: &'c Config,
    /// The assigned names, and the source of each plugin.
    names: BTreeMap<String, Source>,
    /// The assigned capabilities, and the plugins that offer each.
    capabilities: BTreeMap<CapabilityKey, Vec<String>>,
    router: Router,
    /// The routes of the configuration, by the shape of their patterns.
    configured: HashMap<String, Vec<Route>>,
}

impl<'c> Claims<'c> {
    pub(crate) fn new(config: &'c Config) -> Self {
        let router = configured_routes(config);
        let mut configured: HashMap<String, Vec<Route>> = HashMap::new();
        for route in router.routes() {
            configured.entry(shape(&route.pattern)).or_default().push(route.clone());
        }
        Self { config, names: BTreeMap::new(), capabilities: BTreeMap::new(), router, configured }
    }

    /// Assigns to a plugin all that it asks for, or nothing.
    pub(crate) fn claim(&mut self, claim: &Claim<'_>) -> Result<(), Refusal> {
        if let Some(other) = self.names.get(claim.name) {
            return Err(name_clash(claim.name, other));
        }
        let keys = claim.keys();
        for key in &keys {
            let mut owners = self.capabilities.get(key).into_iter().flatten();
            if let Some(owner) = owners.find(|it| !may_share(self.config, key, claim.name, it)) {
                return Err(capability_clash(key, claim.name, owner));
            }
        }
        self.claim_routes(claim)?;
        for key in keys {
            self.capabilities.entry(key).or_default().push(claim.name.to_owned());
        }
        self.names.insert(claim.name.to_owned(), claim.source.clone());
        Ok(())
    }

    /// Assigns to a plugin all routes that it suggests, or none.
    fn claim_routes(&mut self, claim: &Claim<'_>) -> Result<(), Refusal> {
        for (index, description) in claim.descriptions.iter().enumerate() {
            // A clash of a version on trial does not keep its plugin from serving.
            if claim.serves || index > 0 {
                self.add_routes_that_fit(claim.name, description);
            } else {
                self.add_routes(claim.name, description)?;
            }
        }
        Ok(())
    }

    /// Adds all routes that a plugin suggests, except those that the configuration defines; or none.
    fn add_routes(&mut self, name: &str, description: &Description) -> Result<(), Refusal> {
        let mut added: Vec<String> = Vec::new();
        for route in suggestions(name, description) {
            if self.is_configured(&route) || self.is_there(&route) {
                continue;
            }
            let pattern = route.pattern.clone();
            let owner = self.router.taken(&route).map(|other| other.value.handler().to_owned());
            if let Err(error) = self.router.insert(route) {
                for pattern in added.iter().rev() {
                    self.router.undo_insert(pattern);
                }
                return Err(refused_route(&error, owner));
            }
            added.push(pattern);
        }
        Ok(())
    }

    /// Adds those routes of a plugin that clash with no other.
    fn add_routes_that_fit(&mut self, name: &str, description: &Description) {
        for route in suggestions(name, description) {
            if !self.is_configured(&route) && !self.is_there(&route) {
                // The plugin serves without the route that clashes.
                let _ = self.router.insert(route);
            }
        }
    }

    /// Whether the configuration defines this route; the names of path parameters do not matter.
    fn is_configured(&self, route: &Route) -> bool {
        if self.configured.is_empty() {
            return false;
        }
        let configured = self.configured.get(&shape(&route.pattern));
        configured.is_some_and(|all| all.iter().any(|it| it.shares_methods(route)))
    }

    /// Whether the router has the route already, because another provider of the same handler suggests
    /// it too.
    fn is_there(&self, route: &Route) -> bool {
        let mut others = self.router.of_pattern(&route.pattern);
        others.any(|it| it.value.key == route.value.key && it.methods == route.methods)
    }
}

/// Takes plugins out of `contested` that clashed only with plugins that did not start, and so may
/// run after all. `members` is what the next set would hold without them.
pub(crate) fn readmitted(
    config: &Config,
    members: &[Member],
    contested: &mut Vec<Contested>,
) -> Vec<Wanted> {
    let mut admitted: Vec<Wanted> = Vec::new();
    contested.retain(|it| {
        let name = &it.wanted.identity.name;
        let mut claims = Claims::new(config);
        for member in members {
            let other = &member.running.identity.name;
            let replaced = other == name && it.replaces_running;
            if !replaced && !admitted.iter().any(|it| it.identity.name == *other) {
                // A clash of two members is resolved by `settle`.
                let _ = claims.claim(&Claim::of_member(member, true));
            }
        }
        for other in &admitted {
            let _ = claims.claim(&Claim::of_wanted(other));
        }
        let fits = claims.claim(&Claim::of_wanted(&it.wanted)).is_ok();
        if fits {
            admitted.push(it.wanted.clone());
        }
        !fits
    });
    admitted
}

/// The members of the next set, free of clashes, and all routes.
pub(crate) struct Settled {
    pub(crate) members: BTreeMap<String, Member>,
    pub(crate) router: Router,
}

/// Assigns names, capabilities and routes to members in their order. A member that clashes with an
/// earlier one (such as a last good version that stays and has its capability) is refused, and its
/// own last good version stays too.
pub(crate) fn settle(
    before: &Generation,
    config: &Config,
    members: Vec<Member>,
    refused: &mut Vec<Rejection>,
) -> Settled {
    let mut claims = Claims::new(config);
    let mut settled: BTreeMap<String, Member> = BTreeMap::new();
    let mut members = VecDeque::from(members);
    while let Some(member) = members.pop_front() {
        let name = member.running.identity.name.clone();
        let last = before.plugins.get(&name);
        // A restarted plugin keeps its claims.
        let restarted = last.is_some_and(|it| it.running.identity == member.running.identity);
        let serves = before.holds(&member.running) || restarted;
        match claims.claim(&Claim::of_member(&member, serves)) {
            Ok(()) => drop(settled.insert(name, member)),
            Err(refusal) => {
                refused.push(refused_member(&member, refusal));
                let is_new = member.all().any(|it| !before.holds(it));
                if is_new && !settled.contains_key(&name) {
                    members.extend(last.cloned());
                }
            }
        }
    }
    Settled { members: settled, router: claims.router }
}

fn refused_member(member: &Member, refusal: Refusal) -> Rejection {
    let (source, digest) = match &member.canary {
        Some(canary) => (&canary.source, canary.running.identity.digest),
        None => (&member.source, member.running.identity.digest),
    };
    Rejection {
        source: source.clone(),
        plugin: Some(member.running.identity.name.clone()),
        digest: Some(digest),
        refusal: Refusal {
            hint: format!(
                "{}; the other plugin is a last good version, which still runs",
                refusal.hint
            ),
            ..refusal
        },
    }
}

fn name_clash(name: &str, other: &Source) -> Refusal {
    let message = format!("expected no other plugin {name:?}, found one in {other}");
    Refusal::new(Reason::NameClash, message).hint(
        "remove one of the files, or run this one under another name: \
         [plugins.OTHER] artifact = \"…\"",
    )
}

fn capability_clash(key: &CapabilityKey, name: &str, owner: &str) -> Refusal {
    let message = format!("expected no other plugin to offer {key}, found {owner:?}");
    Refusal::new(Reason::CapabilityClash, message).hint(format!(
        "remove one, disable it ([plugins.{}] enabled = false), or let both offer it: \
         [capabilities.\"{key}\"] strategy = \"failover\", providers = [{owner:?}, {name:?}]",
        key_part(owner)
    ))
}

/// Whether the configuration lets two plugins offer the same capability.
fn may_share(config: &Config, key: &CapabilityKey, one: &str, other: &str) -> bool {
    let settings = config.capabilities.get(key);
    let listed = |name: &str| {
        settings.is_some_and(|settings| settings.strategy.providers().iter().any(|it| it == name))
    };
    listed(one) && listed(other)
}

/// The routes of these plugins with a configuration. Plugins that clash get none.
pub(crate) fn routes_of(config: &Config, plugins: &[Wanted]) -> Router {
    let mut claims = Claims::new(config);
    for wanted in plugins {
        // A clash is reported where it is decided.
        let _ = claims.claim(&Claim::of_wanted(wanted));
    }
    claims.router
}

/// The routes of the configuration, which was checked for clashes.
pub(crate) fn configured_routes(config: &Config) -> Router {
    let mut router = Router::default();
    for route in &config.routes {
        let target = RouteTarget::new(&route.handler, RouteOrigin::Config);
        let target = target.served_as(&route.options);
        let inserted = router.insert(Route::new(&route.path, target).on(&route.methods));
        debug_assert!(inserted.is_ok(), "the configuration was checked: {inserted:?}");
    }
    router
}

/// The refusal of a route: a malformed pattern is an error of the description, and a pattern that another
/// plugin has is a clash.
fn refused_route(error: &RouteError, owner: Option<String>) -> Refusal {
    let malformed = matches!(
        error,
        RouteError::Pattern { problem, .. } if !matches!(problem, PatternProblem::Conflict { .. })
    );
    if malformed {
        return Refusal::new(Reason::Description, error.to_string())
            .hint("such as /users/{id}, or /files/{*rest} for all that follows");
    }
    let message = match owner {
        Some(handler) => format!("{error} to handler {handler}"),
        None => error.to_string(),
    };
    Refusal::new(Reason::RouteClash, message)
        .hint("say in [[routes]] which handler serves the path")
}

/// The routes that a plugin suggests.
pub(super) fn suggestions(name: &str, description: &Description) -> impl Iterator<Item = Route> {
    let handlers = description.capabilities.iter().filter(|it| it.kind == Handler::NAME);
    handlers.flat_map(move |capability| {
        capability.routes.iter().map(move |route| {
            let origin = RouteOrigin::Plugin(name.to_owned());
            let target = RouteTarget::new(&capability.name, origin);
            Route::new(&route.path, target).on(&route.methods)
        })
    })
}
