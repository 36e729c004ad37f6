//! Folders in which a plugin may write, and what must not lie in them.
//!
//! Who may write in a folder may move what lies in it away and put a link in its place. So nothing
//! that the host opens by its path may lead through there: no folder that is granted, to this plugin
//! or another, and nothing of the host's own. The same folder may be granted twice.

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

/// As many links as Linux follows in one path.
const MOST_LINKS: usize = 40;

const HINT: &str = "who may write in a folder can put a link in the place of what lies in it; keep \
                    such folders apart from all others";

pub(crate) fn check(config: &Config, root: &Table, report: &mut Report<'_>) {
    let grants: Vec<Granted<'_>> = config.plugins.iter().flat_map(granted).collect();
    let own = own(config, report);
    for grant in grants.iter().filter(|grant| grant.write) {
        let folder = &grant.way.end;
        let inner = grants.iter().find(|other| other.way.leads_through(folder));
        let held = match inner {
            Some(inner) => Some(format!("{}, of {}", shown(inner.host), inner.key())),
            None => own.iter().find(|own| own.is_open_in(folder)).map(Own::named),
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
    /// Its place in the array.
    index: usize,
    host: &'a Path,
    way: Way,
}

fn granted<'a>(
    (plugin, settings): (&'a String, &'a PluginSettings),
) -> impl Iterator<Item = Granted<'a>> {
    [false, true].into_iter().flat_map(move |write| {
        let folders = settings.grants.files.iter().filter(move |it| it.write == write);
        folders.enumerate().map(move |(index, folder)| {
            let (host, way) = (&*folder.host, Way::to(&folder.host));
            Granted { plugin, write, index, host, way }
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

/// What the host itself reads.
struct Own {
    what: &'static str,
    path: PathBuf,
    way: Way,
    /// Whether it trusts what it finds below, at any depth.
    deep: bool,
}

impl Own {
    fn is_open_in(&self, folder: &Path) -> bool {
        self.way.leads_through(folder)
            || self.way.end == folder
            || self.deep && folder.starts_with(&self.way.end)
    }

    fn named(&self) -> String {
        format!("{} {}", self.what, shown(&self.path))
    }
}

fn own(config: &Config, report: &Report<'_>) -> Vec<Own> {
    let of = |what, path: &Path, deep| {
        let path = absolute(path).unwrap_or_else(|_| path.to_owned());
        Own { what, way: Way::to(&path), path, deep }
    };
    let mut own = vec![
        of("the folder of compiled plugins,", &config.host.cache, true),
        of("the folder of plugins,", &config.host.plugins, false),
    ];
    if let ConfigSource::File(file) = &report.sources().0[FILE].origin {
        own.push(of("the configuration,", file, false));
    }
    own
}

/// What is looked up to come to a path.
struct Way {
    /// Each name, with the real folder in which it is looked up.
    steps: Vec<PathBuf>,
    /// Where it leads.
    end: PathBuf,
}

impl Way {
    /// What is not there is taken for what it says.
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
                        Ok(target) if links < MOST_LINKS => {
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

    /// Whether one of its names stands in the folder, or below.
    fn leads_through(&self, folder: &Path) -> bool {
        self.steps.iter().any(|step| step != folder && step.starts_with(folder))
    }
}

/// The last one first.
fn parts(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
}

fn shown(path: &Path) -> String {
    render::quoted(&path.to_string_lossy())
}
