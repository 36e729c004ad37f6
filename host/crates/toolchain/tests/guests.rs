//! Builds guests with the toolchain that this machine has.

use std::fs;
use std::path::{Path, PathBuf};

use plugbay_toolchain::apt::Consent;
use plugbay_toolchain::{Build, BuildErrorKind, Options, Target, Toolchain, ToolchainSource};
use tempfile::TempDir;

/// A temporary workspace with these packages: name, manifest lines under `[package.metadata]`, code.
fn workspace(packages: &[(&str, &str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let members: Vec<String> = packages.iter().map(|(name, ..)| format!("\"{name}\"")).collect();
    let profile = "[profile.release]\nopt-level = \"s\"\nlto = true\n";
    let root =
        format!("[workspace]\nresolver = \"3\"\nmembers = [{}]\n{profile}", members.join(", "));
    fs::write(folder.path().join("Cargo.toml"), root).unwrap();
    for (name, metadata, code) in packages {
        let package = folder.path().join(name);
        fs::create_dir_all(package.join("src")).unwrap();
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{metadata}\n\
             [lib]\ncrate-type = [\"cdylib\"]\n"
        );
        fs::write(package.join("Cargo.toml"), manifest).unwrap();
        fs::write(package.join("src/lib.rs"), code).unwrap();
    }
    folder
}

/// Code that uses std: without a working standard library it does not link.
const CODE: &str =
    "pub fn text() -> String { format!(\"{:?}\", std::collections::BTreeMap::from([(1, 2)])) }\n";
const WASI: &str = "[package.metadata.plugbay]\ntarget = \"wasi\"";

fn manifest(folder: &TempDir) -> PathBuf {
    folder.path().join("Cargo.toml")
}

fn is_component(path: &Path) -> bool {
    fs::read(path).unwrap().starts_with(b"\0asm\x0d\0\x01\0")
}

#[test]
fn a_workspace_becomes_components_of_both_targets() {
    let toolchain = Toolchain::find().unwrap();
    let folder = workspace(&[("pure-guest", "", CODE), ("wasi-guest", WASI, CODE)]);
    let built = Build::new(manifest(&folder)).run(&toolchain).unwrap();
    let what: Vec<_> = built.iter().map(|built| (built.package.as_str(), built.target)).collect();
    assert_eq!(what, [("pure-guest", Target::Pure), ("wasi-guest", Target::Wasi)]);
    for built in &built {
        assert!(is_component(&built.path_to_component));
        assert_eq!(built.bytes, fs::metadata(&built.path_to_component).unwrap().len());
        assert!(
            built
                .path_to_component
                .starts_with(folder.path().canonicalize().unwrap().join("target/guests"))
        );
    }
}

#[test]
fn debians_rust_builds_where_it_is_installed() {
    // Nothing is installed for this test. The standard library in the user's cache is used.
    let options = Options {
        add_targets: false,
        packages: Consent::Withheld,
        only: Some(ToolchainSource::Debian),
        ..Options::default()
    };
    let toolchain = match Toolchain::find_with(options) {
        Ok(toolchain) => toolchain,
        Err(error) if error.kind.reason() == "no-toolchain" => {
            eprintln!("skipped: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(toolchain.prepare(Target::Pure).unwrap(), ToolchainSource::Debian);
    let folder = workspace(&[("guest", "", CODE)]);
    let build = Build { release: false, ..Build::new(manifest(&folder)) };
    assert!(is_component(&build.run(&toolchain).unwrap()[0].path_to_component));
}

#[test]
fn a_compile_error_carries_cargos_last_lines() {
    let toolchain = Toolchain::find().unwrap();
    let folder = workspace(&[("broken", "", "pub fn f() -> u8 { \"text\" }\n")]);
    let error = Build::new(manifest(&folder)).run(&toolchain).unwrap_err();
    assert_eq!(error.kind.reason(), "cargo");
    assert!(error.to_string().contains("E0308"), "{error}");
}

#[test]
fn plugins_are_read_from_manifests_without_a_toolchain() {
    let folder = workspace(&[("b", WASI, ""), ("a", "", "")]);
    let plugins = Build::new(manifest(&folder)).plugins().unwrap();
    let what: Vec<_> =
        plugins.iter().map(|plugin| (plugin.package.as_str(), plugin.target)).collect();
    assert_eq!(what, [("a", Target::Pure), ("b", Target::Wasi)]);

    let one = Build { package: Some("c".into()), ..Build::new(manifest(&folder)) };
    let error = one.plugins().unwrap_err();
    assert!(matches!(error.kind, BuildErrorKind::NoSuchPackage { .. }));
    assert!(error.to_string().ends_with("no plugin is named \"c\"; there are a, b"), "{error}");
}

#[test]
fn an_unknown_target_says_what_was_expected() {
    let folder = workspace(&[("a", "[package.metadata.plugbay]\ntarget = \"wasm\"", "")]);
    let error = Build::new(manifest(&folder)).plugins().unwrap_err().to_string();
    assert!(
        error.ends_with("expected \"pure\", \"wasi\" or \"native\", found \"wasm\""),
        "{error}"
    );
}

#[test]
fn a_plain_library_is_not_a_plugin() {
    let folder = workspace(&[("a", "", "")]);
    let path = folder.path().join("a/Cargo.toml");
    let text = fs::read_to_string(&path).unwrap().replace("cdylib", "rlib");
    fs::write(&path, text).unwrap();
    let build = Build { package: Some("a".into()), ..Build::new(manifest(&folder)) };
    assert_eq!(build.plugins().unwrap_err().kind.reason(), "not-a-plugin");
}
