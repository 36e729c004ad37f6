//! The environment variables of Plugbay, and the keys that they set.

pub(crate) const PREFIX: &str = "PLUGBAY_";

/// Variables with the prefix that are not settings: the filter and the format of the log, the path of the file, by
/// what commands ask a running host, and the token by which the host asks another directory.
pub(crate) const NOT_SETTINGS: [&str; 8] = [
    "PLUGBAY_LOG",
    "PLUGBAY_LOG_FORMAT",
    "PLUGBAY_CONFIG",
    "PLUGBAY_DIRECTORY",
    "PLUGBAY_DIRECTORY_TOKEN",
    "PLUGBAY_HOST",
    "PLUGBAY_HOSTS",
    "PLUGBAY_TOKEN",
];

/// The sections whose keys can be set by variables, with their keys.
pub(crate) type Sections = [(&'static str, &'static [&'static str])];

/// Every variable that sets a key: (variable, section, key).
pub(crate) fn variables(
    sections: &Sections,
) -> impl Iterator<Item = (String, &'static str, &'static str)> {
    sections.iter().flat_map(|&(section, keys)| {
        keys.iter().map(move |&key| {
            let name = format!("{PREFIX}{section}_{key}").to_ascii_uppercase();
            (name, section, key)
        })
    })
}

/// Whether an orchestrator made this variable for a *service* called plugbay or plugbay-something.
///
/// Kubernetes and Docker links describe services in every container's environment
/// (`PLUGBAY_SERVICE_HOST`, `PLUGBAY_ADMIN_PORT_7071_TCP_ADDR`, `PLUGBAY_PORT=tcp://…`); a host
/// must start there although no operator wrote them.
pub(crate) fn describes_a_service(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix("PLUGBAY") else {
        return false;
    };
    if rest.ends_with("_SERVICE_HOST") || rest.contains("_SERVICE_PORT") {
        return true;
    }
    if rest.ends_with("_PORT") {
        return value.contains("://");
    }
    rest.split_once("_PORT_").is_some_and(|(_, port)| {
        port.starts_with(|first: char| first.is_ascii_digit())
            && ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| port.contains(protocol))
    })
}
