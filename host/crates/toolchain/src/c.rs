//! Builds a plugin in C as a native library, by the C compiler of the machine.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::build::at;
use crate::error::BuildErrorKind;
use crate::{compiler, environment};

const REMEDY: &str = "install a C compiler, or name yours by the variable CC";

const FLAGS: [&str; 7] =
    ["-std=c11", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-fvisibility=hidden"];

/// Compiles `src/*.c` with the headers of `sdk`, and returns the library.
pub(crate) fn build(folder: &Path, name: &str) -> Result<PathBuf, BuildErrorKind> {
    let sources = sources(&folder.join("src"))?;
    let out = folder.join("target/native");
    fs::create_dir_all(&out).map_err(at(&out))?;
    let library = out.join(format!("{name}{}", std::env::consts::DLL_SUFFIX));
    let program = std::env::var_os("CC").filter(|it| !it.is_empty());
    let program = program.unwrap_or_else(|| OsString::from("cc"));
    let mut command = environment::command(&program);
    command.args(FLAGS).arg("-I").arg(folder.join("sdk"));
    command.arg("-o").arg(&library).args(&sources);
    let program = program.to_string_lossy().into_owned();
    compiler::run(&mut command, &program, REMEDY)?;
    Ok(library)
}

/// The files of C in a folder, in the order of their names.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, BuildErrorKind> {
    let entries = folder.read_dir().map_err(at(folder))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut sources: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "c")).collect();
    sources.sort();
    if sources.is_empty() {
        return Err(BuildErrorKind::NoSources(folder.to_owned()));
    }
    Ok(sources)
}
