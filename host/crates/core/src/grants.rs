//! Grants: access of a plugin beyond its own memory. Without grants it has none.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The kinds of access that can be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// Files in folders of the host.
    Files,
    /// Connections to other machines, and their names.
    Network,
    /// Environment variables.
    Environment,
    /// The time of day, and time that passes.
    Clocks,
    /// Unpredictable random numbers.
    Random,
    /// Standard output and error, to the log.
    Stdio,
    /// State that the host keeps for the plugin's name.
    State,
}

impl Grant {
    /// All kinds, in order.
    pub const ALL: [Self; 7] = [
        Self::Files,
        Self::Network,
        Self::Environment,
        Self::Clocks,
        Self::Random,
        Self::Stdio,
        Self::State,
    ];

    /// The word in configuration, status, events and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Network => "network",
            Self::Environment => "environment",
            Self::Clocks => "clocks",
            Self::Random => "random",
            Self::Stdio => "stdio",
            Self::State => "state",
        }
    }

    /// The keys of `[plugins.NAME.grants]` that give it, for people.
    #[must_use]
    pub fn keys(self) -> &'static str {
        match self {
            Self::Files => "read or write",
            other => other.as_str(),
        }
    }

    /// The grant that an imported interface needs, if it needs one.
    ///
    /// Names are those of WASI, for instance `wasi:filesystem/types@0.2.6`.
    #[must_use]
    pub fn of_import(interface: &str) -> Option<Self> {
        let (name, _version) = interface.split_once('@').unwrap_or((interface, ""));
        match name.split_once('/')? {
            ("wasi:filesystem", _) => Some(Self::Files),
            ("wasi:sockets", _) => Some(Self::Network),
            ("wasi:clocks", _) => Some(Self::Clocks),
            ("wasi:random", _) => Some(Self::Random),
            ("wasi:keyvalue", _) => Some(Self::State),
            ("wasi:cli", "environment") => Some(Self::Environment),
            ("wasi:cli", "stdout" | "stderr") => Some(Self::Stdio),
            _ => None,
        }
    }

    /// The grants that imported interfaces need, in order, without duplicates.
    #[must_use]
    pub fn requested(imports: &[String]) -> Vec<Self> {
        let mut requested: Vec<Self> =
            imports.iter().filter_map(|it| Self::of_import(it)).collect();
        requested.sort();
        requested.dedup();
        requested
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The grants of one plugin. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Grants {
    /// Folders of the host.
    pub files: Vec<FolderGrant>,
    /// The hosts and ports that it may connect to.
    pub network: Vec<NetworkGrant>,
    /// Its environment variables.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub environment: Environment,
    /// Whether it may read the clocks. Otherwise they are always at zero.
    pub clocks: bool,
    /// Whether it gets random numbers. Otherwise they are the same in each instance.
    pub random: bool,
    /// Whether its output goes to the log. Otherwise it is discarded.
    pub stdio: bool,
    /// How much state the host keeps for it; `None` is no state.
    #[serde(default)]
    pub state: Option<StateGrant>,
}

/// How much state the host keeps for a plugin, over all its instances and versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StateGrant {
    /// The most keys in all buckets.
    pub keys: u64,
    /// The most bytes of one value.
    pub value: u64,
    /// The most bytes of all keys and values together.
    pub total: u64,
}

impl Default for StateGrant {
    fn default() -> Self {
        Self { keys: 100_000, value: 1 << 20, total: 64 << 20 }
    }
}

impl Grants {
    /// The kinds that are granted, at least in part, in order.
    #[must_use]
    pub fn open(&self) -> Vec<Grant> {
        let open = |grant: &Grant| match grant {
            Grant::Files => !self.files.is_empty(),
            Grant::Network => !self.network.is_empty(),
            Grant::Environment => !self.environment.0.is_empty(),
            Grant::Clocks => self.clocks,
            Grant::Random => self.random,
            Grant::Stdio => self.stdio,
            Grant::State => self.state.is_some(),
        };
        Grant::ALL.into_iter().filter(open).collect()
    }
}

/// A folder of the host, and its path in the plugin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FolderGrant {
    /// The folder, absolute.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub host: PathBuf,
    /// The absolute path under which the plugin sees it.
    pub guest: String,
    /// Whether the plugin may write to it.
    pub write: bool,
}

/// A host and port that a plugin may connect to, by TCP or UDP.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NetworkGrant {
    /// The machines.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub host: HostPattern,
    /// The port; `None` means all ports.
    pub port: Option<u16>,
}

/// The machines of a network grant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This name, in lower case. The addresses that it resolves to are granted, except those of the
    /// host itself and of its link, because a foreign name could be made to resolve to them.
    Name(String),
    /// All subdomains of this name, in lower case: `example.org` for `*.example.org`.
    Below(String),
    /// The addresses that have this number of first bits in common with this address. Addresses of
    /// the host itself, of its link and of a cloud's metadata service are granted only by a network
    /// that holds nothing else, so that they are never granted by mistake.
    Network(IpAddr, u8),
    /// `localhost`: the addresses of the host itself.
    Loopback,
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Network(address @ IpAddr::V4(_), 32) => write!(f, "{address}"),
            Self::Network(address @ IpAddr::V6(_), 128) => write!(f, "[{address}]"),
            Self::Network(address @ IpAddr::V4(_), bits) => write!(f, "{address}/{bits}"),
            Self::Network(address @ IpAddr::V6(_), bits) => write!(f, "[{address}/{bits}]"),
            Self::Loopback => f.write_str("localhost"),
        }
    }
}

impl HostPattern {
    /// Parses the output of [`Display`](fmt::Display). The configuration checks its own entries;
    /// here a text that is neither an address nor a network is a name.
    fn read(text: &str) -> Option<Self> {
        if text == "localhost" {
            return Some(Self::Loopback);
        }
        if let Some(name) = text.strip_prefix("*.") {
            return Some(Self::Below(name.to_owned()));
        }
        let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
        let (address, bits) = match bare.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (bare, None),
        };
        match address.parse::<IpAddr>() {
            Ok(address) => {
                let all = if address.is_ipv4() { 32 } else { 128 };
                Some(Self::Network(address, bits.unwrap_or(all)))
            }
            Err(_) => (bare == text && bits.is_none()).then(|| Self::Name(text.to_owned())),
        }
    }
}

impl Serialize for HostPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| {
            D::Error::custom(format!("expected a name, an address or a network, found {text:?}"))
        })
    }
}

/// Environment variables by name. Their values may be secrets: `Debug` and `Serialize` show
/// the names alone, so that what `Deserialize` reads back has empty values.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Environment(pub BTreeMap<String, String>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Serialize for Environment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.keys())
    }
}

impl<'de> Deserialize<'de> for Environment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        Ok(Self(names.into_iter().map(|name| (name, String::new())).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_need_grants() {
        let imports = ["wasi:random/random@0.2.6", "wasi:cli/stderr@0.2.6", "wasi:cli/exit@0.2.6"];
        let asked = Grant::requested(&imports.map(str::to_owned));
        assert_eq!(asked, [Grant::Random, Grant::Stdio]);
        assert_eq!(Grant::of_import("plugbay:plugin/log@1.0.0"), None);
    }

    #[test]
    fn values_of_the_environment_are_not_shown() {
        let environment = Environment([("TOKEN".to_owned(), "hunter2".to_owned())].into());
        let grants = Grants { environment, ..Grants::default() };
        assert_eq!(grants.open(), [Grant::Environment]);
        let shown = format!("{grants:?} {}", serde_json::to_string(&grants).unwrap());
        assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn grants_are_read_back_but_for_the_values_of_variables() {
        let network = |host, port| NetworkGrant { host, port };
        let address = |text: &str| text.parse().unwrap();
        let grants = Grants {
            files: vec![FolderGrant { host: "/srv".into(), guest: "/s".into(), write: true }],
            network: vec![
                network(HostPattern::Name("api.example.org".into()), Some(443)),
                network(HostPattern::Below("example.org".into()), None),
                network(HostPattern::Network(address("10.0.0.0"), 8), None),
                network(HostPattern::Network(address("10.1.2.3"), 32), None),
                network(HostPattern::Network(address("fd00::"), 8), None),
                network(HostPattern::Network(address("::1"), 128), Some(80)),
                network(HostPattern::Loopback, None),
            ],
            environment: Environment([("TOKEN".to_owned(), String::new())].into()),
            clocks: true,
            random: true,
            stdio: true,
            state: Some(StateGrant { keys: 1, ..StateGrant::default() }),
        };
        let json = serde_json::to_string(&grants).unwrap();
        assert_eq!(serde_json::from_str::<Grants>(&json).unwrap(), grants);
        let grants = serde_json::to_string(&Grant::ALL).unwrap();
        assert_eq!(
            grants,
            r#"["files","network","environment","clocks","random","stdio","state"]"#
        );
        assert_eq!(serde_json::from_str::<[Grant; 7]>(&grants).unwrap(), Grant::ALL);
        assert!(serde_json::from_str::<HostPattern>(r#""10.0.0.0/x""#).is_err());
    }
}
