//! Checks settings that must fit each other. This happens on the merged configuration only: a flag
//! may complete what the file begins.

use plugbay_registry::order::{self, Dependencies};

use super::folders;
use crate::config::problem::render;
use crate::config::problem::report::Report;
use crate::config::read::setting::Setting as _;
use crate::config::read::tree::{Table, find};
use crate::config::section::limits::PluginDefaults;
use crate::config::section::settings::Config;
use crate::config::value::listen::ListenAddress;

pub(crate) fn check(config: &Config, root: &Table, report: &mut Report<'_>) {
    listeners(config, root, report);
    exposed(config, root, report);
    exposed_directory(config, root, report);
    let defaults = Limits { policy: &config.defaults, root, path: "defaults", at: &["defaults"] };
    defaults.memory(report);
    defaults.health(report);
    for (name, settings) in &config.plugins {
        let policy = &config.defaults.overlaid(&settings.limits);
        let path = &render::join_key("plugins", name);
        let own = Limits { policy, root, path, at: &["plugins", name] };
        if own.says(&["memory", "total_memory", "recycle_memory"]) {
            own.memory(report);
        }
        if own.says(&["health_every", "health_deadline"]) {
            own.health(report);
        }
    }
    starts(config, root, report);
    folders::check(config, root, report);
}

fn listeners(config: &Config, root: &Table, report: &mut Report<'_>) {
    let is_shared = |it: &&ListenAddress| !it.is_any_port() && config.server.listen.contains(it);
    let shared = config.admin.listen.iter().find(is_shared);
    let Some(admin) = shared.filter(|_| config.admin.enabled) else { return };
    let message =
        format!("expected another address than [server] listen, found \"{admin}\" for both");
    let hint = "the data plane and the admin plane each need a port of their own";
    for section in ["admin", "server"] {
        if let Some(node) = find(root, &[section, "listen"]) {
            report.value(&node.at, &format!("{section}.listen"), message, Some(hint.to_owned()));
            return;
        }
    }
}

/// Refuses an admin plane beyond this machine that anyone could use, or whose tokens could be read on their way.
fn exposed(config: &Config, root: &Table, report: &mut Report<'_>) {
    let admin = &config.admin;
    let Some(public) = admin.exposed() else { return };
    let missing = match (admin.needs_token(), admin.tls.is_some()) {
        (false, true) => "tokens",
        (true, _) => "TLS",
        (false, false) => "tokens and TLS",
    };
    let Some(node) = find(root, &["admin", "listen"]) else { return };
    let message = format!("expected a loopback address without {missing}, found \"{public}\"");
    let hint = "beyond this machine everyone could act on the host, or read a token on its way: make a token by \
                `plugbay token new NAME --role operator --file tokens`, set admin.tokens = \"tokens\" and \
                admin.tls = { certificate = \"tls.pem\", key = \"tls.key\" }; or listen on \"127.0.0.1:7071\" \
                and reach it through an SSH tunnel";
    report.value(&node.at, "admin.listen", message, Some(hint.to_owned()));
}

/// The same for a directory of services.
fn exposed_directory(config: &Config, root: &Table, report: &mut Report<'_>) {
    let discovery = &config.discovery;
    let Some(public) = discovery.exposed() else { return };
    let Some(node) = find(root, &["discovery", "listen"]) else { return };
    let message =
        format!("expected a loopback address without both tokens and TLS, found \"{public}\"");
    let hint = "beyond this machine everyone could register, or read a token on its way: make a token by \
                `plugbay token new NAME --grants read:*,register:web-* --file directory-tokens`, set \
                discovery.tokens = \"directory-tokens\" and discovery.tls = { certificate = \"tls.pem\", \
                key = \"tls.key\" }; or listen on \"127.0.0.1:7072\"";
    report.value(&node.at, "discovery.listen", message, Some(hint.to_owned()));
}

/// The limits of one table, laid over the defaults.
struct Limits<'a> {
    policy: &'a PluginDefaults,
    root: &'a Table,
    path: &'a str,
    /// The table whose keys are reported before those of `[defaults]`.
    at: &'a [&'a str],
}

impl Limits<'_> {
    /// Whether the table itself has one of the keys.
    fn says(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| find(self.root, &[self.at, &[key]].concat()).is_some())
    }

    fn memory(&self, report: &mut Report<'_>) {
        let policy = self.policy;
        if policy.memory > policy.total_memory {
            let message = format!(
                "expected memory (one instance) of at most total_memory (all instances), \
                 found \"{}\" and \"{}\"",
                policy.memory, policy.total_memory
            );
            let hint = "raise total_memory, or lower memory";
            self.refuse(["memory", "total_memory"], message, hint, report);
        }
        if policy.recycle_memory > policy.memory {
            let message = format!(
                "expected recycle_memory of at most memory, found \"{}\" and \"{}\"",
                policy.recycle_memory, policy.memory
            );
            let hint = "an instance never holds more than memory, so it would never be replaced; \
                        lower recycle_memory, or write \"0B\" for never";
            self.refuse(["recycle_memory", "memory"], message, hint, report);
        }
    }

    fn health(&self, report: &mut Report<'_>) {
        let (every, deadline) = (self.policy.health_every, self.policy.health_deadline);
        if !every.is_zero() && deadline > every {
            let message = format!(
                "expected health_deadline of at most health_every, found {} and {}",
                deadline.show(),
                every.show()
            );
            let hint = "a health check must end before the next one begins; lower health_deadline, \
                        raise health_every, or write health_every = \"0s\" for never";
            self.refuse(["health_deadline", "health_every"], message, hint, report);
        }
    }

    /// Reports the first of the keys that the table has.
    fn refuse(&self, keys: [&str; 2], message: String, hint: &str, report: &mut Report<'_>) {
        let blamed = keys
            .iter()
            .find_map(|&key| find(self.root, &[self.at, &[key]].concat()).map(|node| (key, node)));
        if let Some((key, node)) = blamed {
            let path = format!("{}.{key}", self.path);
            report.value(&node.at, &path, message, Some(hint.to_owned()));
        }
    }
}

/// Refuses cycles of `after`: no plugin may wait for itself.
fn starts(config: &Config, root: &Table, report: &mut Report<'_>) {
    let needs: Dependencies<'_> = config
        .plugins
        .iter()
        .map(|(name, settings)| (&**name, settings.after.iter().map(|it| &**it).collect()))
        .collect();
    for cycle in order::topological_order(&needs).cycles {
        if let Some(node) = find(root, &["plugins", cycle[0], "after"]) {
            let message =
                format!("expected no cycle, found {}", order::format_cycle(&cycle, "after"));
            let path = format!("{}.after", render::join_key("plugins", cycle[0]));
            let hint = "remove one of them, so that one plugin can start first";
            report.value(&node.at, &path, message, Some(hint.to_owned()));
        }
    }
}
