//! Source files are not too long: a long one usually has two ideas in it.

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
                "expected at most {WARN} lines of code without tests and comments (an error above \
                 {FAIL}), found {lines}: split the file"
            );
            violations.push(Violation {
                warning: lines <= FAIL,
                ..Violation::new(&source.path, 1, message)
            });
        }
    }
    violations
}

/// The number of lines with code, without modules that are compiled for tests only.
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

/// Whether a line belongs to a module under `#[cfg(test)]`.
enum Skip {
    No,
    /// The line has the attribute, or is between it and the module.
    Next,
    /// The line is inside the module, with this many open braces.
    Inside(usize),
    /// The line is the last one of the module.
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

/// The files that a module under `#[cfg(test)]`, `mod name;`, may have.
fn test_modules(source: &Source) -> Vec<String> {
    let code = blank(&source.text, Keep::Code);
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let inner = match file {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        file => format!("{folder}/{}", file.trim_end_matches(".rs")),
    };
    let mut found = Vec::new();
    let mut after_attribute = false;
    for line in code.lines() {
        let name = line.trim().strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'));
        if let Some(name) = name.filter(|_| after_attribute) {
            found.push(format!("{inner}/{name}.rs"));
            found.push(format!("{inner}/{name}/mod.rs"));
        }
        after_attribute =
            is_test_attribute(line) || (after_attribute && line.trim_start().starts_with("#["));
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
    fn a_long_file_is_a_warning_and_a_longer_one_an_error() {
        let found = |lines| check(&[Source::of("a/src/b.rs", &"a();\n".repeat(lines))]);
        assert_eq!(found(400), []);
        assert!(found(401)[0].warning);
        assert!(!found(601)[0].warning);
    }

    #[test]
    fn a_file_for_tests_may_be_long() {
        let sources = [
            Source::of("a/src/word.rs", "#[cfg(all(loom, test))]\nmod models;\n"),
            Source::of("a/src/word/models.rs", &"a();\n".repeat(700)),
            Source::of("a/tests/b.rs", &"a();\n".repeat(700)),
        ];
        assert_eq!(check(&sources), []);
    }
}
