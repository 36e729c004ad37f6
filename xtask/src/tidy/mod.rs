//! `tidy`: checks of what a compiler does not see. Each check is a function from what it looks at to
//! the violations in it, so that a test can hand it a line or two.

mod advisories;
mod crates;
mod imports;
mod layers;
mod links;
mod profiles;
mod scan;
mod secrets;
mod sizes;
mod unsafe_code;
mod words;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use plugbay_toolchain::environment;

use crate::place::Place;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// From the root of the repository, with `/`.
    file: String,
    line: usize,
    message: String,
    /// A warning does not fail the run.
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
    let place = Place::find()?;
    let sources = sources(&place.root)?;
    let checks: [(&str, Vec<Violation>); 11] = [
        ("who knows whom", layers::check(&layers::edges(&place))),
        ("which file imports which", imports::check(&sources)),
        ("where unsafe is", unsafe_code::check(&sources)),
        ("sizes of modules", sizes::check(&sources)),
        ("links in documents", links::check(&place.root, &sources)),
        ("words left over", words::check(&sources)),
        ("manifests and first lines of crates", crates::check(&place.root, &place.metadata)),
        ("machine paths and registries", secrets::check(&sources)),
        ("known bad versions", advisories::check(&sources)),
        ("levels of the shipped profile", profiles::check(&sources)),
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
    let there = sources.iter().any(|source| source.path == "CHANGELOG.md");
    if there { Vec::new() } else { vec![Violation::new("CHANGELOG.md", 1, "is not there")] }
}

/// Every text file that git knows, or would with the next `git add`.
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
        // What was deleted but not yet committed cannot be read; what is binary is not for these checks.
        if let Ok(text) = fs::read_to_string(root.join(path)) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    Ok(sources)
}
