//! `[plugins.NAME.grants]`: what a plugin may reach.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{self, Path, PathBuf};

use plugbay_core::{Environment, FolderGrant, Grants, StateGrant};
use serde::{Serialize, Serializer};

use super::keys;
use super::network;
use crate::config::problem::{render, secret};
use crate::config::read::section::{self, Section, in_folder_of_file};
use crate::config::read::tree::{Node, Value};
use crate::config::value::size::Size;

pub(crate) fn read(plugin: &mut Section<'_, '_>) -> Grants {
    let mut section = plugin.nested("grants", keys::GRANTS);
    let mut grants = Grants::default();
    let mut seen = HashMap::new();
    for (key, write) in [("read", false), ("write", true)] {
        read_folders(&mut section, key, write, &mut seen, &mut grants.files);
    }
    let expected = "an array such as [\"api.example.org:443\"]";
    grants.network = section.list("network", expected, |_| Ok(())).unwrap_or_default();
    grants.environment = read_environment(&mut section);
    section.read("clocks", &mut grants.clocks);
    section.read("random", &mut grants.random);
    section.read("stdio", &mut grants.stdio);
    grants.state = read_state(&mut section);
    grants
}

/// `true`, or `{ keys = 1000, value = "64KiB", total = "16MiB" }`.
fn read_state(section: &mut Section<'_, '_>) -> Option<StateGrant> {
    const KEY: &str = "state";
    let is_table = matches!(section.node(KEY).map(|node| &node.value), Some(Value::Table(_)));
    if !is_table {
        let mut granted = false;
        section.read(KEY, &mut granted);
        return granted.then(StateGrant::default);
    }
    let mut grant = StateGrant::default();
    let mut state = section.nested(KEY, keys::STATE);
    state.read_within("keys", &mut grant.keys, 1..=1_000_000_000);
    for (key, bytes) in [("value", &mut grant.value), ("total", &mut grant.total)] {
        let mut size = Size::bytes(*bytes);
        state.read_within(key, &mut size, Size::bytes(1)..=Size::gib(1024));
        *bytes = size.as_u64();
    }
    Some(grant)
}

/// `seen` maps guest paths to the keys that granted them.
fn read_folders(
    section: &mut Section<'_, '_>,
    key: &str,
    write: bool,
    seen: &mut HashMap<String, String>,
    folders: &mut Vec<FolderGrant>,
) {
    let path = section.key(key);
    let items = section.items(key, "an array such as [\"/srv/data\"]");
    for (index, node) in items.iter().flat_map(|items| items.iter()).enumerate() {
        let path = format!("{path}[{index}]");
        let Some((host, guest)) = read_folder(node, &path, section) else {
            continue;
        };
        if let Some(other) = seen.get(&guest) {
            let message = format!(
                "expected each folder of the plugin once, found {} in {other} too",
                render::quoted(&guest)
            );
            let hint = "a folder in `write` can be read as well; give others another path: \
                        { host = \"/srv/x\", guest = \"/x\" }";
            section.report.value(&node.at, &path, message, Some(hint.to_owned()));
            continue;
        }
        seen.insert(guest.clone(), path);
        folders.push(FolderGrant { host, guest, write });
    }
}

/// `"/srv/data"` or `{ host = "/srv/x", guest = "/x" }`: the folder, and how the plugin sees it.
fn read_folder(
    node: &Node,
    path: &str,
    section: &mut Section<'_, '_>,
) -> Option<(PathBuf, String)> {
    let (written, guest) = match &node.value {
        Value::Table(table) => {
            let mut folder =
                Section::over(Some(table), path.to_owned(), keys::FOLDER, section.report);
            let (host, guest) = (folder.get::<PathBuf>("host"), folder.get::<String>("guest"));
            if !folder.has("host") {
                let message = "expected the key `host`, found none".to_owned();
                let hint = "name the folder: { host = \"/srv/x\", guest = \"/x\" }";
                folder.report.value(&node.at, path, message, Some(hint.to_owned()));
            }
            if folder.has("guest") && guest.is_none() {
                return None;
            }
            (host?, guest)
        }
        _ => (section::read_node::<PathBuf>(node, path, section.report)?, None),
    };
    let refused = match &guest {
        Some(guest) => guest_path(guest),
        None => guest_path(&written.to_string_lossy()).map_err(|message| {
            let hint = format!(
                "say how the plugin sees it: {{ host = {}, guest = \"/data\" }}",
                render::quoted(&written.to_string_lossy())
            );
            (message.0, hint)
        }),
    };
    match refused {
        Ok(guest) => Some((absolute(&written, node, section), guest)),
        Err((message, hint)) => {
            section.report.value(&node.at, path, message, Some(hint));
            None
        }
    }
}

/// A path as WASI writes it, on any system: absolute, without `.`, `..` and doubled slashes.
fn guest_path(path: &str) -> Result<String, (String, String)> {
    let expected = || {
        format!("expected an absolute path for the plugin to see, found {}", render::quoted(path))
    };
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if !path.starts_with('/') || parts.contains(&"..") {
        return Err((expected(), "write it from \"/\", without \"..\"".to_owned()));
    }
    if path.chars().any(char::is_control) {
        return Err((expected(), "remove control characters".to_owned()));
    }
    Ok(format!("/{}", parts.join("/")))
}

/// The absolute path of a host folder: relative to the folder of the file if it is written in the
/// file, otherwise to the working directory.
fn absolute(folder: &Path, node: &Node, section: &Section<'_, '_>) -> PathBuf {
    let folder = in_folder_of_file(folder, Some(node), section.report);
    // Without a working directory nothing relative will be found anyway.
    path::absolute(&folder).unwrap_or(folder)
}

/// Messages show names of variables, never values.
fn read_environment(section: &mut Section<'_, '_>) -> Environment {
    let mut environment = Environment::default();
    let path = section.key("environment");
    for (name, entry) in section.table("environment").into_iter().flatten() {
        let shown = name.split(['=', '\0']).next().unwrap_or_default();
        let key = render::join_key(&path, shown);
        if name.is_empty() || shown.len() < name.len() {
            let message = "expected a name that is not empty and has no '=' and no zero byte";
            let hint = "write environment = { NAME = \"value\" }";
            section.report.value(&entry.key_at, &key, message.to_owned(), Some(hint.to_owned()));
        } else if let Some(value) = section::read_node::<String>(&entry.node, &key, section.report)
        {
            if value.contains('\0') {
                let message = "expected a value without a zero byte".to_owned();
                section.report.value(&entry.node.at, &key, message, None);
            } else {
                environment.0.insert(name.clone(), value);
            }
        }
    }
    environment
}

/// For `#[serde(serialize_with = …)]`: as in the file, without the values of environment variables.
pub(crate) fn serialize<S: Serializer>(grants: &Grants, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Folder<'a> {
        Same(&'a str),
        Other { host: Cow<'a, str>, guest: &'a str },
    }
    #[derive(Serialize)]
    #[serde(untagged)]
    enum State {
        Refused(bool),
        Quota { keys: u64, value: Size, total: Size },
    }
    #[derive(Serialize)]
    struct Written<'a> {
        read: Vec<Folder<'a>>,
        write: Vec<Folder<'a>>,
        network: Vec<String>,
        clocks: bool,
        random: bool,
        stdio: bool,
        state: State,
        environment: BTreeMap<&'a str, &'a str>,
    }
    let folders = |write: bool| {
        let folders = grants.files.iter().filter(|folder| folder.write == write);
        let written = folders.map(|FolderGrant { host, guest, .. }| {
            if *host == Path::new(guest) {
                Folder::Same(guest)
            } else {
                Folder::Other { host: host.to_string_lossy(), guest }
            }
        });
        written.collect()
    };
    let names = grants.environment.0.keys();
    Written {
        read: folders(false),
        write: folders(true),
        network: grants.network.iter().map(network::written).collect(),
        clocks: grants.clocks,
        random: grants.random,
        stdio: grants.stdio,
        state: match grants.state {
            Some(StateGrant { keys, value, total }) => {
                State::Quota { keys, value: Size::bytes(value), total: Size::bytes(total) }
            }
            None => State::Refused(false),
        },
        environment: names.map(|name| (&**name, secret::HIDDEN)).collect(),
    }
    .serialize(to)
}
