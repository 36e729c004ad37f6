//! The modules of others in the dashboard are those whose digests and licences are pinned.

use std::collections::BTreeSet;

use super::{Source, Violation};
use crate::vendor_ui::{FOLDER, LICENCES, Manifest, sha256};

/// The licences that `deny.toml` allows for crates and that the modules have.
const ALLOWED: [&str; 2] = ["MIT", "Apache-2.0"];

pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    let manifest = format!("{FOLDER}/vendor.toml");
    let Some(listed) = sources.iter().find(|source| source.path == manifest) else {
        return vec![Violation::new(&manifest, 1, "expected a list of modules, found no file")];
    };
    let packages = match Manifest::parse(&listed.text) {
        Ok(parsed) => parsed.packages,
        Err(error) => return vec![Violation::new(&manifest, 1, format!("{error:#}"))],
    };
    let mut violations = Vec::new();
    let notes = format!("{FOLDER}/{LICENCES}");
    let licences = sources.iter().find(|source| source.path == notes);
    let licences = licences.map_or("", |source| source.text.as_str());
    for package in &packages {
        let heading = format!("## {} {} ({})", package.name, package.version, package.licence);
        if !licences.contains(&heading) {
            violations.push(Violation::new(&notes, 1, format!("expected the section {heading:?}")));
        }
        if !ALLOWED.contains(&package.licence.as_str()) {
            let message = format!("expected one of {ALLOWED:?}, found {:?}", package.licence);
            violations.push(Violation::new(&manifest, 1, message));
        }
    }
    let mut listed = BTreeSet::from([manifest, notes]);
    for file in packages.iter().flat_map(|package| &package.files) {
        let path = format!("{FOLDER}/{}", file.to);
        let found = sources.iter().find(|source| source.path == path);
        let digest = found.map(|source| sha256(source.text.as_bytes()));
        if digest.as_deref() != Some(&file.sha256) {
            let found = digest.as_deref().unwrap_or("no file");
            let message = format!(
                "expected the digest {}, found {found}: run cargo xtask vendor-ui",
                file.sha256
            );
            violations.push(Violation::new(&path, 1, message));
        }
        listed.insert(path);
    }
    let inside = sources.iter().filter(|source| source.path.starts_with(&format!("{FOLDER}/")));
    let unlisted = inside.filter(|source| !listed.contains(&source.path));
    violations.extend(
        unlisted.map(|source| {
            Violation::new(&source.path, 1, "expected a file that vendor.toml lists")
        }),
    );
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(module: &str, more: &str) -> Vec<Source> {
        let digest = sha256(b"export default 1\n");
        let manifest = format!(
            "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nlicence = \"MIT\"\nintegrity = \"\"\n\
             files = [{{ from = \"a\", to = \"a.js\", sha256 = \"{digest}\" }}]\n[imports]\n"
        );
        let file = |name: &str, text: &str| Source::of(&format!("{FOLDER}/{name}"), text);
        vec![
            file("vendor.toml", &manifest),
            file(LICENCES, "## a 1.0.0 (MIT)\n"),
            file("a.js", module),
            file(more, ""),
        ]
    }

    #[test]
    fn changed_and_unlisted_modules_are_found() {
        let files = |sources: &[Source]| -> Vec<String> {
            check(sources).into_iter().map(|violation| violation.file).collect()
        };
        assert_eq!(files(&sources("export default 1\n", LICENCES)), [""; 0]);
        let path = |name: &str| format!("{FOLDER}/{name}");
        assert_eq!(files(&sources("export default 2\n", "b.js")), [path("a.js"), path("b.js")]);
    }
}
