//! Folders in which a plugin may write, and what they must not contain. A plugin that can write in
//! a folder can move an entry of it away and put a link in its place. So no path that the host
//! opens may lead through such a folder: neither another granted folder, of this or another plugin,
//! nor a path of the host itself. The same folder may be granted twice.

use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf, absolute};

use crate::config::problem::error::ConfigSource;
use crate::config::problem::render;
use crate::config::problem::report::Report;
use crate::config::problem::source::FILE;
use crate::config::read::tree::{self, Node, Table, Value};
use crate::config::section::plugins::PluginSettings;
use crate::config::section::settings::Config;

/// The most links that are followed in one path, as on Linux.
const MAX_LINKS: usize = 40;

const HINT: &str = "a plugin can replace what lies in a writable folder with a link; keep \
                    such folders apart from all others";

pub(crate) fn check(config: &Config, root: &Table, report: &mut Report<'_>) {
    let grants: Vec<Granted<'_>> = config.plugins.iter().flat_map(granted).collect();
    let own = own(config, report);
    for grant in grants.iter().filter(|grant| grant.write) {
        let folder = &grant.resolved.end;
        let inner = grants.iter().find(|other| other.resolved.leads_through(folder));
        let held = match inner {
            Some(inner) => Some(format!("{}, of {}", shown(inner.host), inner.key())),
            None => own.iter().find(|own| own.is_open_in(folder)).map(HostPath::describe),
        };
        if let (Some(held), Some(node)) = (held, grant.node(root)) {
            let message = format!(
                "expected a folder of the plugin's own, found {}, in which it could replace {held}",
                shown(grant.host)
            );
            report.value(&node.at, &grant.key(), message, Some(HINT.to_owned()));
        }
    }
}

/// A folder of a plugin.
struct Granted<'a> {
    plugin: &'a str,
    write: bool,
    /// Its index in the array.
    index: usize,
    host: &'a Path,
    resolved: ResolvedPath,
}

fn granted<'a>(
    (plugin, settings): (&'a String, &'a PluginSettings),
) -> impl Iterator<Item = Granted<'a>> {
    [false, true].into_iter().flat_map(move |write| {
        let folders = settings.grants.files.iter().filter(move |it| it.write == write);
        folders.enumerate().map(move |(index, folder)| {
            let (host, resolved) = (&*folder.host, ResolvedPath::to(&folder.host));
            Granted { plugin, write, index, host, resolved }
        })
    })
}

impl Granted<'_> {
    fn word(&self) -> &'static str {
        if self.write { "write" } else { "read" }
    }

    fn key(&self) -> String {
        let plugin = render::join_key("plugins", self.plugin);
        format!("{plugin}.grants.{}[{}]", self.word(), self.index)
    }

    /// The item of the array, or the array where a flag wrote it.
    fn node<'r>(&self, root: &'r Table) -> Option<&'r Node> {
        let array = tree::find(root, &["plugins", self.plugin, "grants", self.word()])?;
        match &array.value {
            Value::Array(items) => items.get(self.index),
            _ => Some(array),
        }
    }
}

/// A path that the host itself opens.
struct HostPath {
    what: &'static str,
    path: PathBuf,
    resolved: ResolvedPath,
    /// Whether the host trusts everything below the path, at any depth.
    deep: bool,
}

impl HostPath {
    fn is_open_in(&self, folder: &Path) -> bool {
        self.resolved.leads_through(folder)
            || self.resolved.end == folder
            || self.deep && folder.starts_with(&self.resolved.end)
    }

    fn describe(&self) -> String {
        format!("{} {}", self.what, shown(&self.path))
    }
}

fn own(config: &Config, report: &Report<'_>) -> Vec<HostPath> {
    let of = |what, path: &Path, deep| {
        let path = absolute(path).unwrap_or_else(|_| path.to_owned());
        HostPath { what, resolved: ResolvedPath::to(&path), path, deep }
    };
    let mut own = Vec::new();
    if !config.host.cache.as_os_str().is_empty() {
        own.push(of("the folder of compiled plugins,", &config.host.cache, true));
    }
    if !config.host.state.as_os_str().is_empty() {
        own.push(of("the file of the plugins' states,", &config.host.state, false));
    }
    own.push(of("the folder of plugins,", &config.host.plugins, false));
    if let ConfigSource::File(file) = &report.sources().0[FILE].origin {
        own.push(of("the configuration,", file, false));
    }
    own
}

/// A path after its links are resolved.
struct ResolvedPath {
    /// Each name that is looked up on the way, with the real folder that holds it.
    steps: Vec<PathBuf>,
    /// The path that it leads to.
    end: PathBuf,
}

impl ResolvedPath {
    /// Resolves a path. A part that does not exist is taken as written.
    fn to(path: &Path) -> Self {
        let (mut steps, mut end, mut links) = (Vec::new(), PathBuf::new(), 0);
        let mut left = parts(path);
        while let Some(part) = left.pop() {
            match Path::new(&part).components().next() {
                None | Some(Component::CurDir) => {}
                Some(Component::ParentDir) => {
                    end.pop();
                }
                Some(Component::Prefix(_) | Component::RootDir) => end.push(&part),
                Some(Component::Normal(_)) => {
                    let step = end.join(&part);
                    match fs::read_link(&step) {
                        Ok(target) if links < MAX_LINKS => {
                            links += 1;
                            left.extend(parts(&target));
                        }
                        _ => end.clone_from(&step),
                    }
                    steps.push(step);
                }
            }
        }
        Self { steps, end }
    }

    /// Whether one of its names is looked up in the folder, or below it.
    fn leads_through(&self, folder: &Path) -> bool {
        self.steps.iter().any(|step| step != folder && step.starts_with(folder))
    }
}

/// The components of a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
}

fn shown(path: &Path) -> String {
    render::quoted(&path.to_string_lossy())
}
