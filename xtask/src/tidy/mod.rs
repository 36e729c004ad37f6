//! `tidy`: checks that the compiler does not make. Each is a function from texts to violations, so
//! that a test can call it with a few lines.

mod advisories;
mod crates;
mod imports;
mod layers;
mod links;
mod lock_files;
mod profiles;
mod scan;
mod secrets;
mod sizes;
mod unsafe_code;
mod vendored;
mod words;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use plugbay_toolchain::environment;

use crate::repository::Repository;

/// A violation of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The path from the root of the repository, with `/`.
    file: String,
    line: usize,
    message: String,
    /// Whether it is only a warning, which does not fail the run.
    warning: bool,
}

impl Violation {
    fn new(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, message: message.into(), warning: false }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.warning { "warning: " } else { "" };
        write!(f, "{}:{}: {level}{}", self.file, self.line, self.message)
    }
}

/// A text file of the repository.
pub(crate) struct Source {
    path: String,
    text: String,
}

impl Source {
    #[cfg(test)]
    pub(crate) fn of(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    fn has_extension(&self, wanted: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == wanted)
    }
}

pub(crate) fn run() -> Result<bool> {
    let repository = Repository::find()?;
    let sources = sources(&repository.root)?;
    let checks: [(&str, Vec<Violation>); 13] = [
        ("dependencies between crates", layers::check(&layers::edges(&repository))),
        ("imports between files", imports::check(&sources)),
        ("unsafe code", unsafe_code::check(&sources)),
        ("sizes of files", sizes::check(&sources)),
        ("links in documents", links::check(&repository.root, &sources)),
        ("unfinished code", words::check(&sources)),
        (
            "manifests and documentation of crates",
            crates::check(&repository.root, &repository.metadata),
        ),
        ("machine paths and registries", secrets::check(&sources)),
        ("known bad versions", advisories::check(&sources)),
        ("optimisation of the dist profile", profiles::check(&sources)),
        ("lock files", lock_files::check(&repository, &sources)?),
        ("modules of the dashboard", vendored::check(&sources)),
        ("the changelog", changelog(&sources)),
    ];
    let mut errors = 0;
    for (name, violations) in checks {
        let wrong = violations.iter().filter(|violation| !violation.warning).count();
        errors += wrong;
        println!("{:<6} {name}", if wrong == 0 { "ok" } else { "FAILED" });
        for violation in violations {
            println!("  {violation}");
        }
    }
    println!("tidy: {} files, {errors} violations", sources.len());
    Ok(errors == 0)
}

fn changelog(sources: &[Source]) -> Vec<Violation> {
    let exists = sources.iter().any(|source| source.path == "CHANGELOG.md");
    let missing = || Violation::new("CHANGELOG.md", 1, "expected a changelog, found no file");
    if exists { Vec::new() } else { vec![missing()] }
}

/// All text files that git tracks, or would after `git add`.
fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut git = environment::command("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().context("cannot start git")?;
    ensure!(
        output.status.success(),
        "git ls-files: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let paths = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    let mut sources = Vec::new();
    for path in paths.split('\0').filter(|path| !path.is_empty()) {
        // Deleted files and binary files cannot be read as text, and are skipped.
        if let Ok(text) = fs::read_to_string(root.join(path)) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    Ok(sources)
}
