//! Nothing of the machine it was written on: no paths of it, no package registry of its own.

use super::{Source, Violation};

/// Folders of people and machines, in parts so that this file does not name them.
const FOLDERS: [&[&str]; 4] =
    [&["", "root", ""], &["", "home", ""], &["", "Users", ""], &["", "work", ""]];
/// In manifests and cargo's settings besides.
const TEMPORARY: &[&str] = &["", "tmp", ""];
/// Says of a line that it is meant.
const EXCUSE: &str = "tidy: a path on purpose";

pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources {
        let manifest = source.has_extension("toml") || source.has_extension("lock");
        for (number, line) in
            source.text.lines().enumerate().filter(|(_, line)| !line.contains(EXCUSE))
        {
            let problem = machine_path(line, manifest).or_else(|| registry(source, line));
            violations
                .extend(problem.map(|problem| Violation::new(&source.path, number + 1, problem)));
        }
    }
    violations
}

fn machine_path(line: &str, manifest: bool) -> Option<String> {
    let temporary = manifest.then_some(TEMPORARY);
    for parts in FOLDERS.into_iter().chain(temporary) {
        let folder = parts.join("/");
        for (at, _) in line.match_indices(&folder) {
            // Behind a name or a dot it is the inside of a longer path or of an address.
            let within = line[..at]
                .chars()
                .next_back()
                .is_some_and(|c| c.is_alphanumeric() || "._-~}/".contains(c));
            let named = line[at + folder.len()..]
                .chars()
                .next()
                .is_some_and(|c| c.is_alphanumeric() || c == '.');
            if !within && named {
                return Some(format!("a path of one machine: {folder}…"));
            }
        }
    }
    None
}

/// A lock file or a setting that leads to another registry than the public one.
fn registry(source: &Source, line: &str) -> Option<String> {
    let name = source.path.rsplit('/').next().unwrap_or_default();
    let line = line.trim();
    let foreign = match name {
        "Cargo.lock" => {
            line.starts_with("source = ")
                && line != "source = \"registry+https://github.com/rust-lang/crates.io-index\""
        }
        "package-lock.json" => {
            line.starts_with("\"resolved\":") && !line.contains("//registry.npmjs.org/")
        }
        "config.toml" if source.path.contains(".cargo/") => {
            line.starts_with("[source")
                || line.starts_with("[registr")
                || line.starts_with("replace-with")
        }
        ".npmrc" | "pip.conf" => line.contains("://"),
        _ => line.starts_with("--index-url") || line.starts_with("--extra-index-url"),
    };
    foreign.then(|| "leads to a package registry that others may not reach".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&[Source::of(path, text)]).iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn paths_of_people_and_machines_are_found() {
        let [root, home] = [FOLDERS[0].join("/"), FOLDERS[1].join("/")];
        let text = format!(
            "cd {root}x\nhttps://a.b{home}c\n\"{home}someone\"\n$HOME{home}x\ncd {home}x # {EXCUSE}\n"
        );
        assert_eq!(lines("a.md", &text), [1, 3]);
    }

    #[test]
    fn temporary_paths_are_wrong_in_manifests_only() {
        let text = format!("a = {{ path = \"{}shim\" }}\n", TEMPORARY.join("/"));
        assert_eq!(lines("plugins/Cargo.toml", &text), [1]);
        assert_eq!(lines("a.md", &text), [0; 0]);
    }

    #[test]
    fn foreign_registries_are_found() {
        let ours = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        let other = "source = \"registry+https://mirror.example/index\"\n";
        assert_eq!(lines("Cargo.lock", &format!("{ours}{other}")), [2]);
        assert_eq!(lines(".cargo/config.toml", "[alias]\n[source.crates-io]\n"), [2]);
    }
}
