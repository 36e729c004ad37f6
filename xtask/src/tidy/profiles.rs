//! The shipped profile, `dist`, optimises all packages. It inherits from `release`, which lowers the
//! level of some packages for a quick build, and must raise each of them again.

use toml::{Table, Value};

use super::{Source, Violation};

const MANIFEST: &str = "Cargo.toml";
/// The optimisation level of the shipped program.
const SHIPPED: i64 = 3;

pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    let Some(source) = sources.iter().find(|source| source.path == MANIFEST) else {
        return Vec::new();
    };
    let Ok(manifest) = source.text.parse::<Table>() else {
        return vec![Violation::new(MANIFEST, 1, "expected a manifest, found other text")];
    };
    let shipped = profile(&manifest, "dist");
    let mut violations = Vec::new();
    if level(shipped) != Some(SHIPPED) {
        violations.push(Violation::new(
            MANIFEST,
            line_of(&source.text, "[profile.dist]"),
            format!("expected opt-level = {SHIPPED} in [profile.dist], found none"),
        ));
    }
    for (name, lowered) in packages(profile(&manifest, "release")) {
        let raised = packages(shipped).find(|(other, _)| *other == name);
        let level = level(raised.and_then(|(_, package)| package.as_table()))
            .or_else(|| level(lowered.as_table()));
        if level.is_some_and(|level| level != SHIPPED) {
            violations.push(Violation::new(
                MANIFEST,
                line_of(&source.text, &format!("{name}.opt-level")),
                format!(
                    "expected {name}.opt-level = {SHIPPED} in [profile.dist.package], found none"
                ),
            ));
        }
    }
    violations
}

fn profile<'a>(manifest: &'a Table, name: &str) -> Option<&'a Table> {
    manifest.get("profile")?.get(name)?.as_table()
}

fn packages(profile: Option<&Table>) -> impl Iterator<Item = (&String, &Value)> {
    profile
        .and_then(|profile| profile.get("package"))
        .and_then(Value::as_table)
        .into_iter()
        .flatten()
}

fn level(table: Option<&Table>) -> Option<i64> {
    table?.get("opt-level")?.as_integer()
}

fn line_of(text: &str, start: &str) -> usize {
    text.lines().position(|line| line.starts_with(start)).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&[Source::of(MANIFEST, text)]).iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn dist_raises_each_level_that_release_lowers() {
        let release = "[profile.release.package]\nhot.opt-level = 3\ncold.opt-level = 0\n";
        let dist = "[profile.dist]\nopt-level = 3\n";
        assert_eq!(lines(&format!("{release}{dist}")), [3]);
        let raised = "[profile.dist.package]\ncold.opt-level = 3\n";
        assert_eq!(lines(&format!("{release}{dist}{raised}")), [0; 0]);
        assert_eq!(lines(&format!("{release}[profile.dist]\nlto = \"thin\"\n{raised}")), [4]);
    }
}
