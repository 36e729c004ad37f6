//! Builds the libraries that the tests load.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The header that plugins in C and C++ include.
fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../plugin-sdk/c")
}

/// The program that the environment names, if it runs.
fn compiler(variable: &str, usual: &str) -> Option<String> {
    let name = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
    let runs = Command::new(&name).arg("--version").output().is_ok_and(|it| it.status.success());
    if !runs {
        eprintln!("skipped: {name} does not run; install a compiler, or name one in {variable}");
    }
    runs.then_some(name)
}

static CC: LazyLock<Option<String>> = LazyLock::new(|| compiler("CC", "cc"));
static CXX: LazyLock<Option<String>> = LazyLock::new(|| compiler("CXX", "c++"));

/// Whether the tests of C plugins can run.
pub(crate) fn can_compile() -> bool {
    CC.is_some()
}

fn run(compiler: &str, source: &Path, flags: &[&str], to: &Path) {
    let output = Command::new(compiler)
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fPIC", "-fvisibility=hidden", "-I"])
        .arg(include())
        .arg("-o")
        .arg(to)
        .arg(source)
        .args(flags)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{compiler} {}: {errors}", source.display());
}

/// An example of the C header, as a library in `folder`. `None` if there is no compiler.
pub(crate) fn example(folder: &Path, name: &str) -> Option<PathBuf> {
    let source = include().join("examples").join(name);
    let to = folder.join(name).with_extension(std::env::consts::DLL_EXTENSION);
    if source.extension().is_some_and(|extension| extension == "cpp") {
        run(CXX.as_ref()?, &source, &["-shared", "-std=c++17", "-fno-gnu-unique"], &to);
    } else {
        run(CC.as_ref()?, &source, &["-shared", "-std=c99"], &to);
    }
    Some(to)
}

/// Compiles a text in C++ that includes the headers. Does nothing if there is no compiler.
pub(crate) fn text_in_cpp(folder: &Path, text: &str) {
    let Some(cxx) = CXX.as_ref() else { return };
    let source = folder.join("text.cpp");
    std::fs::write(&source, text).unwrap();
    run(cxx, &source, &["-shared", "-std=c++11"], &source.with_extension("so"));
}

/// Compiles a file of `tests/plugins` with `flags` to the file `to`.
///
/// # Panics
///
/// If it does not compile, or if there is no compiler: see [`can_compile`].
pub(crate) fn plugin(source: &str, flags: &[&str], to: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugins").join(source);
    run(CC.as_ref().unwrap(), &source, flags, to);
    to.to_owned()
}

/// Flags that make a program stop where it reads beyond its memory or what it does is undefined; none
/// if the compiler lacks them.
pub(crate) fn sanitizers(folder: &Path) -> &'static [&'static str] {
    const FLAGS: &[&str] = &["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let source = folder.join("nothing.c");
    std::fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let program = source.with_extension("");
    let mut cc = Command::new(CC.as_ref().unwrap());
    let built = cc.args(FLAGS).arg("-o").args([&program, &source]).output().unwrap();
    let runs = built.status.success() && Command::new(&program).status().unwrap().success();
    if !runs {
        eprintln!("without sanitizers: the compiler lacks them");
    }
    if runs { FLAGS } else { &[] }
}

/// The plugin in Rust, built by the cargo that runs the tests.
pub(crate) fn panicking() -> Vec<u8> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plugins/panicking/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        // Without flags for the tests, such as a sanitizer's.
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    std::fs::read(target.join(format!("debug/{prefix}plugbay_panicking{suffix}"))).unwrap()
}

/// Replaces the only occurrence of `from` in a library by `to`, which changes its digest.
pub(crate) fn patched(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, it)| *it == from)
        .map(|it| it.0)
        .collect();
    assert_eq!(places.len(), 1, "{}", from.escape_ascii());
    bytes[places[0]..places[0] + from.len()].copy_from_slice(to);
    bytes
}
