//! Finds or installs a toolchain for each target, and keeps the result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::apt::Consent;
use crate::decide::{Found, MayAdd, Rustup, Step, decide};
use crate::error::{NoToolchain, ToolchainErrorKind};
use crate::{Target, ToolchainError, apt, debian, environment, rustup, std_library};

/// How a toolchain is found.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of standard libraries and recorded failures; best shared by all builds of a user.
    pub cache: PathBuf,
    /// Whether rustup may add a target that is missing.
    pub add_targets: bool,
    /// Whether Debian's packages may be installed.
    pub packages: Consent,
    /// Use this toolchain only.
    pub only: Option<ToolchainSource>,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache: default_cache(), add_targets: true, packages: Consent::default(), only: None }
    }
}

/// Where a target's compiler and standard library come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolchainSource {
    /// The active Rust toolchain.
    Rustup,
    /// Debian's Rust, with a standard library that is built from its source.
    Debian,
}

/// The toolchains that build guests, one for each target. Each is found when it is first needed.
#[derive(Debug)]
pub struct Toolchain {
    options: Options,
    kits: Mutex<BTreeMap<Target, Kit>>,
}

/// The programs and the sysroot with which cargo builds for one target.
#[derive(Clone, Debug)]
pub(crate) struct Kit {
    source: ToolchainSource,
    target: Target,
    cargo: PathBuf,
    rustc: PathBuf,
    /// What makes components; a library of the machine is linked as rustc links it.
    linker: Option<PathBuf>,
    /// A standard library that is not the compiler's own.
    sysroot: Option<PathBuf>,
}

impl Toolchain {
    /// Finds a toolchain by the default [`Options`]: rustup may add a target, and in CI Debian's
    /// packages are installed.
    ///
    /// # Errors
    ///
    /// If there is no toolchain for [`Target::Pure`]; the message names the remedies.
    pub fn find() -> Result<Self, ToolchainError> {
        Self::find_with(Options::default())
    }

    /// As [`find`](Self::find), with options.
    ///
    /// # Errors
    ///
    /// As for [`find`](Self::find).
    pub fn find_with(options: Options) -> Result<Self, ToolchainError> {
        let toolchain = Self::when_needed(options);
        toolchain.kit(Target::Pure)?;
        Ok(toolchain)
    }

    /// As [`find_with`](Self::find_with), but finds nothing yet: the toolchain of a target is found when
    /// something is built for it.
    #[must_use]
    pub fn when_needed(options: Options) -> Self {
        Self { options, kits: Mutex::default() }
    }

    /// Finds or installs a toolchain for `target`, and returns where it comes from.
    ///
    /// # Errors
    ///
    /// If there is none; the message names the remedies.
    pub fn prepare(&self, target: Target) -> Result<ToolchainSource, ToolchainError> {
        Ok(self.kit(target)?.source)
    }

    pub(crate) fn kit(&self, target: Target) -> Result<Kit, ToolchainError> {
        // The lock is held during an installation: a second thread waits, instead of installing, too. A
        // panic leaves the map as it was, so a poisoned lock can be used.
        let mut kits = self.kits.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(kit) = kits.get(&target) {
            return Ok(kit.clone());
        }
        let kit = match target {
            Target::Native => native_kit(),
            Target::Pure | Target::Wasi => {
                resolve(&self.options, target).map_err(|kind| ToolchainError { target, kind })?
            }
        };
        kits.insert(target, kit.clone());
        Ok(kit)
    }
}

/// Inspects the machine, decides, carries out the step, and starts again. The loop ends because each
/// installation is tried at most once.
fn resolve(options: &Options, target: Target) -> Result<Kit, ToolchainErrorKind> {
    let mut add_failed = None;
    let mut apt_tried: Option<Result<(), String>> = None;
    loop {
        let mut found = inspect(options, target);
        if let Some(reason) = &add_failed {
            found.may_add = MayAdd::No(String::clone(reason));
        }
        found.may_install &= apt_tried.is_none();
        match (decide(&found), &found.rustup) {
            (Step::UseRustup, Some(Rustup { sysroot, linker: Some(linker), .. })) => {
                return Ok(rustup_kit(target, sysroot, linker));
            }
            (Step::AddTarget, Some(rustup)) => {
                add_failed = Some(match rustup::add(&options.cache, target, rustup) {
                    Ok(()) => "rustup reported success, but the target is still missing".to_owned(),
                    Err(reason) => reason,
                });
            }
            (Step::UseDebian, Some(Rustup { linker: Some(linker), .. })) => {
                let version = found.debian.version.clone().unwrap_or_default();
                return debian_kit(options, target, &version, linker);
            }
            (Step::InstallPackages, _) => {
                apt_tried = Some(apt::install(&debian::PACKAGES, options.packages));
            }
            _ => {
                let apt = apt_tried.and_then(Result::err);
                return Err(ToolchainErrorKind::NoToolchain(Box::new(NoToolchain {
                    target,
                    found,
                    apt,
                })));
            }
        }
    }
}

fn inspect(options: &Options, target: Target) -> Found {
    let mut found = Found {
        rustup: rustup::inspect(target),
        may_add: MayAdd::No("this call does not install targets".to_owned()),
        debian: debian::inspect(target),
        may_install: options.packages != Consent::Withheld && apt::available(),
    };
    if options.add_targets && found.rustup.as_ref().is_some_and(|rustup| !rustup.has_target) {
        found.may_add = rustup::may_add(&options.cache, target);
    }
    match options.only {
        Some(ToolchainSource::Rustup) => {
            found.debian.missing = debian::PACKAGES.to_vec();
            found.may_install = false;
        }
        Some(ToolchainSource::Debian) => {
            found.may_add = MayAdd::No("this call uses Debian's Rust only".to_owned());
            if let Some(rustup) = &mut found.rustup {
                rustup.has_target = false;
            }
        }
        None => {}
    }
    found
}

/// The programs of the active toolchain by their full paths: rustup's proxies would choose, and perhaps
/// install, a toolchain by the folder of the guest.
fn rustup_kit(target: Target, sysroot: &Path, linker: &Path) -> Kit {
    Kit {
        source: ToolchainSource::Rustup,
        target,
        cargo: program(sysroot, "cargo"),
        rustc: program(sysroot, "rustc"),
        linker: Some(linker.to_owned()),
        sysroot: None,
    }
}

/// The active toolchain builds for the machine that it runs on. If there is none, starting cargo fails.
fn native_kit() -> Kit {
    let sysroot = rustup::inspect(Target::Native).map(|found| found.sysroot).unwrap_or_default();
    Kit {
        source: ToolchainSource::Rustup,
        target: Target::Native,
        cargo: program(&sysroot, "cargo"),
        rustc: program(&sysroot, "rustc"),
        linker: None,
        sysroot: None,
    }
}

fn program(sysroot: &Path, name: &str) -> PathBuf {
    let path = sysroot.join("bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if path.is_file() { path } else { PathBuf::from(name) }
}

fn debian_kit(
    options: &Options,
    target: Target,
    version: &str,
    linker: &Path,
) -> Result<Kit, ToolchainErrorKind> {
    Ok(Kit {
        source: ToolchainSource::Debian,
        target,
        cargo: debian::CARGO.into(),
        rustc: debian::RUSTC.into(),
        linker: Some(linker.to_owned()),
        sysroot: Some(std_library::sysroot(&options.cache, version, linker, target)?),
    })
}

impl Kit {
    /// The cargo command that builds for this target; the caller adds the package and its options.
    pub(crate) fn cargo_build(&self) -> Command {
        let mut command = environment::command(&self.cargo);
        command.env("RUSTC", &self.rustc);
        command.args(["rustc", "--crate-type", "cdylib"]);
        let Some(linker) = &self.linker else { return command };
        environment::prepend_path(&mut command, debian::wasm_ld_folder(linker));
        command.args(["--target", self.target.triple()]);
        // By --config and not by variables, which would split paths at spaces and replace the guest's
        // own flags.
        let key = format!("target.{}", self.target.triple());
        command
            .arg("--config")
            .arg(format!("{key}.linker={}", toml_string(&linker.to_string_lossy())));
        let flags = self.rustflags();
        if !flags.is_empty() {
            let list: Vec<String> = flags.iter().map(|flag| toml_string(flag)).collect();
            command.arg("--config").arg(format!("{key}.rustflags=[{}]", list.join(",")));
        }
        command
    }

    /// The target.
    pub(crate) fn target(&self) -> Target {
        self.target
    }

    /// The compiler and the linker: inputs of every component.
    pub(crate) fn programs(&self) -> impl Iterator<Item = PathBuf> {
        [Some(self.rustc.clone()), self.linker.clone()].into_iter().flatten()
    }

    fn rustflags(&self) -> Vec<String> {
        let Some(sysroot) = &self.sysroot else {
            return Vec::new();
        };
        let mut flags = vec![format!("--sysroot={}", sysroot.display())];
        if self.target == Target::Wasi {
            // This sysroot has no C library; Debian's package `wasi-libc` has it.
            flags.push("-Clink-self-contained=no".to_owned());
            flags.push(format!("-Clink-arg=-L{}", debian::WASI_LIBC));
        }
        flags
    }
}

/// A TOML basic string, which has the syntax of a JSON string.
fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The platform's cache folder of the user, or a temporary folder.
fn default_cache() -> PathBuf {
    let set =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME").or_else(|| set("USERPROFILE"));
    set("XDG_CACHE_HOME")
        .or_else(|| set("LOCALAPPDATA"))
        .or_else(|| {
            home().map(|home| {
                home.join(if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" })
            })
        })
        .unwrap_or_else(std::env::temp_dir)
        .join("plugbay")
        .join("toolchain")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kit(target: Target, sysroot: Option<&str>) -> Kit {
        Kit {
            source: ToolchainSource::Debian,
            target,
            cargo: "cargo".into(),
            rustc: "rustc".into(),
            linker: Some("a b/wasm-component-ld".into()),
            sysroot: sysroot.map(PathBuf::from),
        }
    }

    fn arguments(kit: &Kit) -> Vec<String> {
        kit.cargo_build().get_args().map(|arg| arg.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_linker_in_a_folder_with_a_space_is_quoted() {
        let arguments = arguments(&kit(Target::Pure, None));
        assert!(
            arguments.contains(
                &"target.wasm32-unknown-unknown.linker=\"a b/wasm-component-ld\"".to_owned()
            ),
            "{arguments:?}"
        );
        assert!(!arguments.iter().any(|arg| arg.contains("rustflags")), "{arguments:?}");
    }

    #[test]
    fn only_wasi_links_the_c_library() {
        assert_eq!(kit(Target::Pure, Some("s")).rustflags(), ["--sysroot=s"]);
        assert_eq!(kit(Target::Wasi, Some("s")).rustflags().len(), 3);
    }
}
