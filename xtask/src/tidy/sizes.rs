//! A file that grows long usually hides two ideas.

use std::collections::BTreeSet;

use super::scan::{Keep, blank, is_generated};
use super::{Source, Violation};

const WARN: usize = 400;
const FAIL: usize = 600;

pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    let tests: BTreeSet<String> =
        sources.iter().filter(|source| source.is_rust()).flat_map(test_modules).collect();
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust() && !is_generated(&source.text)) {
        let folders = ["tests/", "benches/", "examples/"];
        let is_test = folders.iter().any(|folder| {
            source.path.starts_with(folder) || source.path.contains(&format!("/{folder}"))
        });
        if is_test || tests.contains(&source.path) {
            continue;
        }
        let lines = lines_of_code(&source.text);
        if lines > WARN {
            let message = format!(
                "{lines} lines of code, tests and comments aside; split past {WARN}, at most {FAIL}"
            );
            violations.push(Violation {
                warning: lines <= FAIL,
                ..Violation::new(&source.path, 1, message)
            });
        }
    }
    violations
}

/// Lines with code on them, outside modules that only tests compile.
fn lines_of_code(text: &str) -> usize {
    let code = blank(text, Keep::Code);
    let mut count = 0;
    let mut tests = Skip::No;
    for line in code.lines() {
        tests = tests.step(line);
        if matches!(tests, Skip::No) && !line.trim().is_empty() {
            count += 1;
        }
    }
    count
}

/// Whether lines belong to a module under `#[cfg(test)]`.
enum Skip {
    No,
    /// The attribute was seen; the item it stands on follows.
    Next,
    /// Inside, so many braces deep.
    Inside(usize),
    /// On its last line.
    Last,
}

impl Skip {
    fn step(self, line: &str) -> Self {
        let inside = match self {
            Self::No | Self::Last if is_test_attribute(line) => return Self::Next,
            Self::No | Self::Last => return Self::No,
            Self::Next if line.trim().is_empty() || line.trim_start().starts_with("#[") => {
                return Self::Next;
            }
            Self::Next => 0,
            Self::Inside(depth) => depth,
        };
        let depth = (inside + line.matches('{').count()).saturating_sub(line.matches('}').count());
        let goes_on = depth > 0 || (inside == 0 && !line.contains(['{', ';']));
        match (goes_on, depth) {
            (false, _) => Self::Last,
            (true, 0) => Self::Next,
            (true, depth) => Self::Inside(depth),
        }
    }
}

fn is_test_attribute(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("#[cfg(test")
        || (line.starts_with("#[cfg(all(") && !super::scan::word(line, "test").is_empty())
}

/// Files that a `#[cfg(test)] mod name;` brings in.
fn test_modules(source: &Source) -> Vec<String> {
    let code = blank(&source.text, Keep::Code);
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let inner = match file {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        file => format!("{folder}/{}", file.trim_end_matches(".rs")),
    };
    let mut found = Vec::new();
    let mut armed = false;
    for line in code.lines() {
        let name = line.trim().strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'));
        if let Some(name) = name.filter(|_| armed) {
            found.push(format!("{inner}/{name}.rs"));
            found.push(format!("{inner}/{name}/mod.rs"));
        }
        armed = is_test_attribute(line) || (armed && line.trim_start().starts_with("#["));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_comments_do_not_count() {
        let text =
            "//! a\nfn a() {\n}\n\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n";
        assert_eq!(lines_of_code(text), 3);
        assert_eq!(
            lines_of_code("#[cfg(all(test, not(loom)))]\n#[path = \"x\"]\nmod x;\nfn a() {}\n"),
            1
        );
    }

    #[test]
    fn long_files_warn_and_longer_ones_fail() {
        let found = |lines| check(&[Source::of("a/src/b.rs", &"a();\n".repeat(lines))]);
        assert_eq!(found(400), []);
        assert!(found(401)[0].warning);
        assert!(!found(601)[0].warning);
    }

    #[test]
    fn a_file_that_only_tests_compile_may_be_long() {
        let sources = [
            Source::of("a/src/word.rs", "#[cfg(all(loom, test))]\nmod models;\n"),
            Source::of("a/src/word/models.rs", &"a();\n".repeat(700)),
            Source::of("a/tests/b.rs", &"a();\n".repeat(700)),
        ];
        assert_eq!(check(&sources), []);
    }
}
