//! The running host that a command asks: the one of the configuration, one at an address, or one of a file of named
//! hosts.
//!
//! ```toml
//! [hosts.edge-1]
//! admin = "https://edge-1.example:7071"
//! token_file = "/etc/plugbay/edge-1.token"
//! ca = "/etc/plugbay/ca.pem"
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use plugbay::Config;
use serde::Deserialize;

use super::failure::Failure;
use super::globals::{Globals, HOSTS};
use super::remote::{Files, Remote};

/// The file, in the user's folder of configurations.
const FILE: &str = "plugbay/hosts.toml";
/// The largest file of hosts, in bytes.
const LARGEST: u64 = 1 << 20;

/// The admin plane of a running host.
#[derive(Clone)]
pub(super) struct Target {
    place: Place,
    /// `None` if the configuration has no admin plane, or none with an address that is known.
    remote: Option<Remote>,
    /// The address, as the operator would write it.
    address: String,
    ca: Option<PathBuf>,
}

/// What names the host.
#[derive(Clone)]
enum Place {
    Config,
    Argument,
    /// The file of hosts, by this name.
    File(String),
}

/// The file of named hosts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hosts {
    #[serde(default)]
    hosts: BTreeMap<String, Profile>,
}

/// One host, by the values of the arguments of the same names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    /// The address of its admin plane, as `--host` has it.
    admin: String,
    token_file: Option<PathBuf>,
    ca: Option<PathBuf>,
    identity: Option<PathBuf>,
}

impl Target {
    /// The host that the command line names, or that of the configuration.
    pub(super) fn of(globals: &Globals) -> Result<Self, Failure> {
        match &globals.remote.host {
            Some(host) => Self::named(host, files(globals)),
            None => Self::of_config(&globals.layers().keep_last().load_to_start()?, files(globals)),
        }
    }

    /// As [`Target::of`], for a command that has loaded the configuration.
    pub(super) fn with(globals: &Globals, config: &Config) -> Result<Self, Failure> {
        match &globals.remote.host {
            Some(host) => Self::named(host, files(globals)),
            None => Self::of_config(config, files(globals)),
        }
    }

    fn of_config(config: &Config, files: Files<'_>) -> Result<Self, Failure> {
        let remote = Remote::of(config, files)?;
        let first = config.admin.listen.first().map(ToString::to_string);
        let address = remote.as_ref().map(ToString::to_string).or(first).unwrap_or_default();
        Ok(Self { place: Place::Config, remote, address, ca: files.ca.map(Path::to_owned) })
    }

    /// A name in the file of hosts, or an address.
    fn named(host: &str, files: Files<'_>) -> Result<Self, Failure> {
        match file() {
            Some(file) if is_asked_for(&file) => Self::read(host, &file, files),
            _ if is_address(host) => Self::at(host, files, Place::Argument),
            Some(file) => Err(unknown(host, &file, "none")),
            None => Err(Failure::usage("expected a file of hosts, found no folder for it")
                .hint(format!("name it in {HOSTS}"))),
        }
    }

    fn at(address: &str, files: Files<'_>, place: Place) -> Result<Self, Failure> {
        let remote = Remote::at(address, files)?;
        let ca = files.ca.map(Path::to_owned);
        Ok(Self { place, address: remote.to_string(), remote: Some(remote), ca })
    }

    fn read(host: &str, file: &Path, files: Files<'_>) -> Result<Self, Failure> {
        let shown = file.display();
        let unreadable = |found: &dyn fmt::Display| {
            Failure::usage(format!("expected a file of hosts in {shown}, found: {found}")).hint(format!(
                "write [hosts.NAME] and admin = \"127.0.0.1:7071\", or name another file in {HOSTS}"
            ))
        };
        let size = std::fs::metadata(file).map_err(|error| unreadable(&error))?.len();
        if size > LARGEST {
            return Err(unreadable(&format_args!("{size} bytes, more than {LARGEST}")));
        }
        let text = std::fs::read_to_string(file).map_err(|error| unreadable(&error))?;
        let Hosts { hosts } =
            toml::from_str(&text).map_err(|error| unreadable(&error.to_string().trim()))?;
        let Some(profile) = hosts.get(host) else {
            if is_address(host) {
                return Self::at(host, files, Place::Argument);
            }
            let known = hosts.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(unknown(host, file, if known.is_empty() { "none" } else { &known }));
        };
        let files = Files {
            token: files.token.or(profile.token_file.as_deref()),
            ca: files.ca.or(profile.ca.as_deref()),
            identity: files.identity.or(profile.identity.as_deref()),
        };
        Self::at(&profile.admin, files, Place::File(host.to_owned()))
    }

    /// The host; `None` if nothing can answer.
    pub(super) fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    /// The authorities by which its certificate is checked, if they were given.
    pub(super) fn ca(&self) -> Option<&Path> {
        self.ca.as_deref()
    }

    /// The address, as the operator would write it.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Whether the command line or the environment names it: then no other one stands in for it.
    pub(super) fn is_named(&self) -> bool {
        !matches!(self.place, Place::Config)
    }
}

/// Whether a text is an address, and not a name in the file of hosts.
fn is_address(text: &str) -> bool {
    text.contains(':') || text.eq_ignore_ascii_case("localhost")
}

fn unknown(host: &str, file: &Path, known: &str) -> Failure {
    Failure::usage(format!("no host {host:?} in {}", file.display())).hint(format!(
        "known: {known}; an address has a scheme or a port, such as https://{host} or {host}:7071"
    ))
}

/// The files that the command line names.
fn files(globals: &Globals) -> Files<'_> {
    let remote = &globals.remote;
    Files {
        token: remote.token_file.as_deref(),
        ca: remote.ca.as_deref(),
        identity: remote.identity.as_deref(),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = &self.address;
        match &self.place {
            Place::Config => write!(f, "{address} (admin.listen)"),
            Place::Argument => write!(f, "{address} (--host)"),
            Place::File(name) => write!(f, "{address} ({name})"),
        }
    }
}

/// Whether the file of hosts is read: if the variable names it, or if it is there.
fn is_asked_for(file: &Path) -> bool {
    std::env::var_os(HOSTS).is_some_and(|value| !value.is_empty()) || file.exists()
}

/// The file that the variable names, or the one in the user's folder.
fn file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(file) = set(HOSTS) {
        return Some(file.into());
    }
    let folder = set("XDG_CONFIG_HOME").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(set("HOME")?).join(".config")));
    folder.map(|folder| folder.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_by_name_and_mistakes_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hosts.toml");
        let read = |host: &str, text: &str| {
            std::fs::write(&file, text).unwrap();
            let target = Target::read(host, &file, Files::default());
            target.map(|it| it.to_string()).map_err(|failure| failure.text())
        };
        let edge = "[hosts.edge]\nadmin = \"127.0.0.1:7\"\n";
        assert_eq!(read("edge", edge).unwrap(), "127.0.0.1:7 (edge)");
        assert_eq!(read("10.0.0.1:7", edge).unwrap(), "10.0.0.1:7 (--host)");
        for (text, part) in [
            ("", "no host \"edge\""),
            ("[hosts.egde]\nadmin = \"127.0.0.1:7\"\n", "known: egde"),
            ("[hosts.edge]\nadmin = \"a b\"\n", "expected the address of a host"),
            ("[hosts.edge]\nadmn = \"\"\n", "unknown field"),
            ("[hosts", "found: "),
        ] {
            let error = read("edge", text).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
        let absent = Target::read("edge", &folder.path().join("absent.toml"), Files::default());
        let absent = absent.map(drop).unwrap_err().text();
        assert!(absent.contains("absent.toml") && absent.contains("[hosts.NAME]"), "{absent}");
    }
}
