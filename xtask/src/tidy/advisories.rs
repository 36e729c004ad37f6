//! Lock files hold no version of a crate that is known to be bad.
//!
//! The list is `security/advisories.toml`, in the repository, so that the check needs no network.
//! `cargo deny` checks the root workspace only; this checks all lock files.

use semver::{Version, VersionReq};
use toml::Table;
use toml::value::Value;

use super::{Source, Violation};

const LIST: &str = "security/advisories.toml";
const DENY: &str = "deny.toml";

/// One entry of the list.
#[derive(Debug)]
struct Advisory {
    id: String,
    name: String,
    affected: VersionReq,
    summary: String,
    accepted: Vec<Accepted>,
    line: usize,
}

/// A bad version that is accepted in one lock file.
#[derive(Debug)]
struct Accepted {
    lock: String,
    version: String,
}

/// A crate in a lock file.
struct Locked {
    name: String,
    version: Version,
    line: usize,
}

pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    let Some(list) = sources.iter().find(|source| source.path == LIST) else {
        return vec![Violation::new(LIST, 1, "expected the list of advisories, found no file")];
    };
    let advisories = match read(&list.text) {
        Ok(advisories) => advisories,
        Err(problem) => return vec![problem],
    };
    let mut violations = Vec::new();
    for lock in sources.iter().filter(|source| is_lock(&source.path)) {
        match locked(&lock.text) {
            Some(crates) => violations.extend(bad_versions(lock, &crates, &advisories)),
            None => violations.push(Violation::new(
                &lock.path,
                1,
                "expected a lock file, found other text",
            )),
        }
    }
    violations.extend(unused(sources, &advisories));
    let deny = sources.iter().find(|source| source.path == DENY);
    violations.extend(not_banned(deny.map_or("", |deny| &deny.text), &advisories));
    violations
}

fn is_lock(path: &str) -> bool {
    path.rsplit('/').next() == Some("Cargo.lock")
}

fn bad_versions(lock: &Source, crates: &[Locked], advisories: &[Advisory]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for Locked { name, version, line } in crates {
        for advisory in advisories.iter().filter(|advisory| advisory.affects(name, version)) {
            if !advisory.accepted.iter().any(|accepted| accepted.is(&lock.path, version)) {
                let Advisory { id, affected, summary, .. } = advisory;
                let message = format!(
                    "expected {name} outside {affected} ({id}: {summary}), found {version}"
                );
                violations.push(Violation::new(&lock.path, *line, message));
            }
        }
    }
    violations
}

/// Accepted versions that the lock file does not hold: the entry would hide a later mistake.
fn unused(sources: &[Source], advisories: &[Advisory]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for advisory in advisories {
        for accepted in &advisory.accepted {
            let lock = sources.iter().find(|source| source.path == accepted.lock);
            let crates = lock.and_then(|lock| locked(&lock.text)).unwrap_or_default();
            let holds = crates.iter().any(|it| {
                advisory.affects(&it.name, &it.version) && accepted.is(&accepted.lock, &it.version)
            });
            if !holds {
                let message = format!(
                    "{} accepts {} {} in {}, which does not hold it: remove the entry",
                    advisory.id, advisory.name, accepted.version, accepted.lock
                );
                violations.push(Violation::new(LIST, advisory.line, message));
            }
        }
    }
    violations
}

/// Advisories whose versions `cargo deny` does not ban.
fn not_banned(deny: &str, advisories: &[Advisory]) -> Vec<Violation> {
    let manifest: Table = deny.parse().unwrap_or_default();
    let banned = manifest.get("bans").and_then(|bans| bans.get("deny")).and_then(Value::as_array);
    let banned: Vec<&str> = banned
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.get("crate").and_then(Value::as_str))
        .collect();
    let missing = advisories.iter().filter(|advisory| {
        let spec = format!("{}:{}", advisory.name, advisory.affected);
        !banned.contains(&spec.as_str())
    });
    missing
        .map(|Advisory { id, name, affected, .. }| {
            let message = format!(
                "expected bans.deny to hold {{ crate = \"{name}:{affected}\" }} for {id}, found none"
            );
            Violation::new(DENY, 1, message)
        })
        .collect()
}

impl Advisory {
    fn affects(&self, name: &str, version: &Version) -> bool {
        // A requirement does not match pre-releases, so the release of this version is checked, too.
        let release = Version::new(version.major, version.minor, version.patch);
        self.name == name && (self.affected.matches(version) || self.affected.matches(&release))
    }
}

impl Accepted {
    fn is(&self, lock: &str, version: &Version) -> bool {
        self.lock == lock && self.version == version.to_string()
    }
}

/// The entries of the list, or the violation of the first that cannot be read.
fn read(text: &str) -> Result<Vec<Advisory>, Violation> {
    let wrong = |message: String| Violation::new(LIST, 1, message);
    let list: Table = text.parse().map_err(|error| wrong(format!("expected TOML: {error}")))?;
    let entries = list.get("advisory").and_then(Value::as_array);
    let mut lines = text.lines().enumerate().filter(|(_, line)| line.trim() == "[[advisory]]");
    let mut advisories = Vec::new();
    for entry in entries.into_iter().flatten() {
        let line = lines.next().map_or(1, |(at, _)| at + 1);
        let advisory = read_one(entry, line);
        advisories.push(advisory.map_err(|message| Violation::new(LIST, line, message))?);
    }
    Ok(advisories)
}

fn read_one(entry: &Value, line: usize) -> Result<Advisory, String> {
    let affected = text(entry, "affected")?;
    let affected = affected.parse().map_err(|error| format!("affected = {affected:?}: {error}"))?;
    if entry.get("listed").and_then(Value::as_datetime).is_none() {
        return Err("expected listed = YYYY-MM-DD, found none".to_owned());
    }
    let accepted = entry.get("accepted").and_then(Value::as_array);
    let accepted = accepted.into_iter().flatten().map(|entry| {
        text(entry, "reason")?;
        Ok(Accepted { lock: text(entry, "lock")?, version: text(entry, "version")? })
    });
    Ok(Advisory {
        id: text(entry, "id")?,
        name: text(entry, "crate")?,
        affected,
        summary: text(entry, "summary")?,
        accepted: accepted.collect::<Result<_, String>>()?,
        line,
    })
}

fn text(entry: &Value, key: &str) -> Result<String, String> {
    let value = entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    value.map(str::to_owned).ok_or_else(|| format!("expected {key} = \"…\", found none"))
}

/// The crates of a lock file; `None` if the text is not a lock file.
fn locked(lock: &str) -> Option<Vec<Locked>> {
    let table: Table = lock.parse().ok()?;
    let packages = table.get("package").and_then(Value::as_array)?;
    let mut lines = lock.lines().enumerate().filter(|(_, line)| *line == "[[package]]");
    let read = |package: &Value| {
        let line = lines.next().map_or(1, |(at, _)| at + 1);
        let version = package.get("version")?.as_str()?.parse().ok()?;
        Some(Locked { name: package.get("name")?.as_str()?.to_owned(), version, line })
    };
    packages.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "# a comment\n[[advisory]]\nid = \"GHSA-1\"\ncrate = \"leaky\"\n\
                         affected = \"<1.2.3\"\nlisted = 2026-11-29\nsummary = \"it leaks\"\n";
    const BANS: &str = "[bans]\ndeny = [{ crate = \"leaky:<1.2.3\", reason = \"GHSA-1\" }]\n";

    fn lock(name: &str, version: &str) -> String {
        format!(
            "version = 4\n\n[[package]]\nname = \"fine\"\nversion = \"0.1.0\"\n\n\
             [[package]]\nname = \"{name}\"\nversion = \"{version}\"\n"
        )
    }

    fn found(list: &str, bans: &str, locks: &[(&str, &str)]) -> Vec<String> {
        let mut sources = vec![Source::of(LIST, list), Source::of(DENY, bans)];
        sources.extend(locks.iter().map(|(path, text)| Source::of(path, text)));
        check(&sources).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_bad_version_is_found_in_any_lock_file() {
        let bad = lock("leaky", "1.2.2");
        let locks = [("Cargo.lock", lock("leaky", "1.2.3")), ("a/b/Cargo.lock", bad)];
        let locks = locks.each_ref().map(|(path, text)| (*path, text.as_str()));
        assert_eq!(
            found(ENTRY, BANS, &locks),
            ["a/b/Cargo.lock:7: expected leaky outside <1.2.3 (GHSA-1: it leaks), found 1.2.2"]
        );
    }

    #[test]
    fn a_pre_release_of_a_bad_version_is_bad() {
        assert_eq!(found(ENTRY, BANS, &[("Cargo.lock", &lock("leaky", "1.2.2-rc.1"))]).len(), 1);
    }

    #[test]
    fn other_crates_may_have_that_version() {
        assert_eq!(found(ENTRY, BANS, &[("Cargo.lock", &lock("tight", "1.2.2"))]), [""; 0]);
    }

    #[test]
    fn an_accepted_version_passes_where_it_is_accepted_and_nowhere_else() {
        let bad = lock("leaky", "1.0.0");
        let list = format!(
            "{ENTRY}accepted = [{{ lock = \"a/Cargo.lock\", version = \"1.0.0\", reason = \"b\" }}]\n"
        );
        assert_eq!(found(&list, BANS, &[("a/Cargo.lock", &bad)]), [""; 0]);
        assert_eq!(found(&list, BANS, &[("a/Cargo.lock", &bad), ("Cargo.lock", &bad)]).len(), 1);
        assert_eq!(
            found(&list, BANS, &[]),
            ["security/advisories.toml:2: GHSA-1 accepts leaky 1.0.0 in a/Cargo.lock, which does \
              not hold it: remove the entry"]
        );
    }

    #[test]
    fn cargo_deny_has_to_ban_the_same_versions() {
        assert_eq!(
            found(ENTRY, "[bans]\n", &[]),
            ["deny.toml:1: expected bans.deny to hold { crate = \"leaky:<1.2.3\" } for GHSA-1, \
              found none"]
        );
    }

    #[test]
    fn an_entry_needs_all_keys() {
        for key in ["id", "crate", "affected", "listed", "summary"] {
            let list: Vec<&str> =
                ENTRY.lines().filter(|line| !line.starts_with(&format!("{key} = "))).collect();
            let found = found(&list.join("\n"), BANS, &[]);
            assert!(
                found.len() == 1 && found[0].contains(&format!("expected {key} = ")),
                "{found:?}"
            );
        }
        assert_eq!(check(&[]).len(), 1, "a repository without the list");
    }

    #[test]
    fn a_lock_file_that_cannot_be_read_is_a_violation() {
        assert_eq!(
            found(ENTRY, BANS, &[("Cargo.lock", "<<<<<<<")]),
            ["Cargo.lock:1: expected a lock file, found other text"]
        );
    }
}
