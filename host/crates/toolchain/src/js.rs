//! Builds a plugin in JavaScript as a component: the interpreter `QuickJS` with the plugin's modules in it, made by
//! componentize-qjs, which npm installs into the plugin's folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::build::at;
use crate::error::BuildErrorKind;
use crate::{compiler, environment};

const REMEDY: &str = "install Node.js 20 or newer, which has npm";

/// Makes a component of `src/plugin.js`, and of what it imports.
pub(crate) fn build(folder: &Path, name: &str, world: &str) -> Result<PathBuf, BuildErrorKind> {
    let program = folder.join("node_modules/.bin").join(if cfg!(windows) {
        "componentize-qjs.cmd"
    } else {
        "componentize-qjs"
    });
    if !program.exists() {
        eprintln!("plugbay: npm install in {}", folder.display());
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        let mut install = environment::command(npm);
        install.args(["install", "--no-audit", "--no-fund"]).current_dir(folder);
        compiler::run(&mut install, npm, REMEDY)?;
    }
    let out = folder.join("target/js");
    fs::create_dir_all(&out).map_err(at(&out))?;
    let component = format!("target/js/{name}.wasm");
    // Its working folder is the plugin's, so that messages name paths from there.
    let program = program.canonicalize().map_err(at(&program))?;
    let mut command = environment::command(&program);
    command.current_dir(folder).args(["--wit", "sdk/wit", "--world", world]);
    // Without `--sync` it would need an engine with asynchronous components; the stubs are never called.
    command.args(["--js", "src/plugin.js", "--module-root", ".", "--sync", "--stub-wasi"]);
    command.args(["--opt-size", "--minify", "--output", &component]);
    compiler::run(&mut command, "componentize-qjs", REMEDY)?;
    Ok(folder.join(component))
}
