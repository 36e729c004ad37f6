//! Files name no paths of the machine that they were written on, and no package registry other than
//! the public ones.

use super::{Source, Violation};

/// Folders of users and machines, in parts, so that this file does not contain them.
const FOLDERS: [&[&str]; 4] =
    [&["", "root", ""], &["", "home", ""], &["", "Users", ""], &["", "work", ""]];
/// A folder that is also not allowed in manifests and cargo's configuration.
const TEMPORARY: &[&str] = &["", "tmp", ""];
/// The comment that allows the path on its line.
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
            // After a name or a dot it is a part of a longer path or of a URL.
            let within = line[..at]
                .chars()
                .next_back()
                .is_some_and(|c| c.is_alphanumeric() || "._-~}/".contains(c));
            let named = line[at + folder.len()..]
                .chars()
                .next()
                .is_some_and(|c| c.is_alphanumeric() || c == '.');
            if !within && named {
                return Some(format!("expected no path of a single machine, found {folder}…"));
            }
        }
    }
    None
}

/// A line of a lock file or of a configuration that names another registry than the public one.
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
    foreign.then(|| {
        "expected only public package registries, found one that others may not reach".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&[Source::of(path, text)]).iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn paths_of_users_and_machines_are_found() {
        let [root, home] = [FOLDERS[0].join("/"), FOLDERS[1].join("/")];
        let text = format!(
            "cd {root}x\nhttps://a.b{home}c\n\"{home}someone\"\n$HOME{home}x\ncd {home}x # {EXCUSE}\n"
        );
        assert_eq!(lines("a.md", &text), [1, 3]);
    }

    #[test]
    fn temporary_paths_are_violations_in_manifests_only() {
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
