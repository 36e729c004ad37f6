//! `package`: makes a Debian package of the program, its units for systemd, and its completions.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::repository::Repository;

/// The oldest glibc on which a program that is built here is said to run: that of Debian 12, in which the container
/// file builds it.
const LIBC: &str = "2.36";
/// Completions: the shell, and where it looks for them.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/plugbay"),
    ("fish", "usr/share/fish/vendor_completions.d/plugbay.fish"),
    ("zsh", "usr/share/zsh/vendor-completions/_plugbay"),
];

/// Packs `program`, or one that it builds in the profile `dist`, and prints the package's path.
pub(crate) fn run(program: Option<PathBuf>) -> Result<bool> {
    let repository = Repository::find()?;
    let program = match program {
        Some(program) => program,
        None => build(&repository)?,
    };
    let folder = repository.target.join("debian");
    println!("{}", pack(&repository.root, &program, &folder)?.display());
    Ok(true)
}

fn build(repository: &Repository) -> Result<PathBuf> {
    let mut cargo = repository.cargo();
    cargo.args(["build", "--locked", "--profile", "dist", "--package", "plugbay-server"]);
    ensure!(cargo.status()?.success(), "the build of the program failed");
    Ok(repository.target.join("dist/plugbay"))
}

fn pack(root: &Path, program: &Path, folder: &Path) -> Result<PathBuf> {
    let tree = folder.join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    let deploy = root.join("deploy");
    let install = |from: &Path, to: &str, mode| install(from, &tree.join(to), mode);
    install(program, "usr/bin/plugbay", 0o755)?;
    for unit in ["plugbay.service", "plugbay.socket"] {
        let to = format!("usr/lib/systemd/system/{unit}");
        install(&deploy.join("systemd").join(unit), &to, 0o644)?;
    }
    install(&deploy.join("debian/config.toml"), "etc/plugbay/config.toml", 0o644)?;
    install(&root.join("config.toml"), "usr/share/doc/plugbay/config.toml", 0o644)?;
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        install(&root.join(licence), &format!("usr/share/doc/plugbay/{licence}"), 0o644)?;
    }
    fs::create_dir_all(tree.join("var/lib/plugbay/plugins"))?;
    for (shell, path) in COMPLETIONS {
        let text = output(Command::new(program).args(["completions", shell]))?;
        write(&tree.join(path), &text, 0o644)?;
    }
    for script in ["postinst", "prerm"] {
        install(&deploy.join("debian").join(script), &format!("DEBIAN/{script}"), 0o755)?;
    }
    write(&tree.join("DEBIAN/conffiles"), "/etc/plugbay/config.toml\n", 0o644)?;
    let version = env!("CARGO_PKG_VERSION");
    let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
    let architecture = architecture.trim();
    let control = fs::read_to_string(deploy.join("debian/control"))?
        .replace("@VERSION@", version)
        .replace("@ARCHITECTURE@", architecture)
        .replace("@LIBC@", LIBC);
    write(&tree.join("DEBIAN/control"), &control, 0o644)?;
    let package = folder.join(format!("plugbay_{version}_{architecture}.deb"));
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.args(["--build", "--root-owner-group"]).args([&tree, &package]);
    output(&mut dpkg)?;
    Ok(package)
}

fn install(from: &Path, to: &Path, mode: u32) -> Result<()> {
    parent(to)?;
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    set_mode(to, mode)
}

fn write(to: &Path, text: &str, mode: u32) -> Result<()> {
    parent(to)?;
    fs::write(to, text).with_context(|| format!("cannot write {}", to.display()))?;
    set_mode(to, mode)
}

fn parent(of: &Path) -> Result<()> {
    let folder = of.parent().context("a path in the package")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

fn set_mode(file: &Path, mode: u32) -> Result<()> {
    Ok(fs::set_permissions(file, fs::Permissions::from_mode(mode))?)
}

/// What a command prints.
fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}", said.trim());
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_has_the_program_its_units_and_completions() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        write(&program, "#!/bin/sh\necho \"$@\"\n", 0o755).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let package = pack(&root, &program, folder.path()).unwrap();
        let ask = |what: &str| output(Command::new("dpkg-deb").arg(what).arg(&package)).unwrap();
        let content = ask("--contents");
        for (mode, path) in [
            ("-rwxr-xr-x root/root", "./usr/bin/plugbay"),
            ("-rw-r--r-- root/root", "./usr/lib/systemd/system/plugbay.service"),
            ("-rw-r--r-- root/root", "./usr/lib/systemd/system/plugbay.socket"),
            ("-rw-r--r-- root/root", "./etc/plugbay/config.toml"),
            ("-rw-r--r-- root/root", "./usr/share/bash-completion/completions/plugbay"),
            ("drwxr-xr-x root/root", "./var/lib/plugbay/plugins/"),
        ] {
            let is_there = content.lines().any(|it| it.starts_with(mode) && it.ends_with(path));
            assert!(is_there, "{path} in {content}");
        }
        let control = ask("--field");
        assert!(control.contains(concat!("Version: ", env!("CARGO_PKG_VERSION"), "\n")));
        // Everything is filled in; an address has an @ of its own.
        assert!(
            !control.lines().any(|line| line.contains(": @") || line.ends_with('@')),
            "{control}"
        );
    }
}
