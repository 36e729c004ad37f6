//! Which plugins are known and do not serve.

use std::collections::BTreeMap;
use std::sync::Arc;

use plugbay_core::Description;
use plugbay_registry::Leased;

use super::claims::suggestions;
use crate::config::Config;
use crate::report::Rejected;
use crate::set::{Absence, Absent, AbsentPlugin, Running, is_enabled};

/// A plugin that was described.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) description: Arc<Description>,
    /// Whether it is being prepared or started, or will be.
    pub(crate) is_coming: bool,
}

/// The known plugins that are absent from a set. `left` are the versions that the set no longer holds.
pub(crate) fn absent(
    known: &BTreeMap<String, Known>,
    config: &Config,
    serves: impl Fn(&str) -> bool,
    rejected: &[Rejected],
    before: &Absent,
    left: &[Arc<Leased<Running>>],
) -> Absent {
    let mut plugins: BTreeMap<String, AbsentPlugin> = BTreeMap::new();
    let draining = before.draining().map(|(name, it)| (name.clone(), it.clone()));
    let leaving = left.iter().map(|running| {
        let plugin = AbsentPlugin {
            description: Arc::clone(&running.description),
            why: Absence::Draining,
            draining: Some(Arc::downgrade(running)),
        };
        (running.identity.name.clone(), plugin)
    });
    plugins.extend(draining.chain(leaving));
    for (name, Known { description, is_coming }) in known {
        let refused = rejected.iter().find(|it| it.plugin.as_ref() == Some(name));
        let why = match refused {
            _ if !is_enabled(config, name) => Absence::Disabled,
            Some(refused) => Absence::Rejected(refused.reason),
            None if *is_coming => Absence::Starting,
            None => continue,
        };
        let description = Arc::clone(description);
        plugins.insert(name.clone(), AbsentPlugin { description, why, draining: None });
    }
    plugins.retain(|name, _| !serves(name));
    let routes: Vec<_> = plugins
        .iter()
        .flat_map(|(name, it)| {
            suggestions(name, &it.description).map(|route| (name.clone(), route))
        })
        .collect();
    Absent::new(plugins, routes)
}
