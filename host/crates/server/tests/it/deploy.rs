//! O9: the files of `deploy/` that run the program, each checked by its own tool.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use plugbay::Config;

use super::cli::plugbay;

fn file(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../../deploy", path].iter().collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs a tool that `cargo xtask test --yes` installs, and returns what it prints.
fn tool(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        let program = command.get_program().to_string_lossy();
        panic!("expected {program}, which `cargo xtask test --yes` installs: {error}")
    });
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    said.into_owned()
}

/// The number after a key, in seconds.
fn seconds(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.trim().trim_start_matches('#').strip_prefix(key));
    let value = line.unwrap_or_else(|| panic!("expected {key} in {text}")).trim();
    let digits = value.trim_matches(|it: char| !it.is_ascii_digit());
    digits.parse().unwrap_or_else(|error| panic!("{key} {value}: {error}"))
}

#[test]
fn the_units_of_systemd_are_valid_and_confine_the_service() {
    let folder = tempfile::tempdir().unwrap();
    // Where the program is not installed, it is an error that it is missing.
    let program = concat!("ExecStart=", env!("CARGO_BIN_EXE_plugbay"));
    let installed = read("systemd/plugbay.service").replace("ExecStart=plugbay", program);
    let service = folder.path().join("plugbay.service");
    let socket = folder.path().join("plugbay.socket");
    fs::write(&service, installed).unwrap();
    fs::copy(file("systemd/plugbay.socket"), &socket).unwrap();
    let said = tool(Command::new("systemd-analyze").arg("verify").args([&service, &socket]));
    assert!(!said.contains("plugbay."), "{said}");
    // From 0, the service can do nothing, to 100: it can do everything.
    let exposure = ["security", "--offline=true", "--threshold=20", "--no-pager"];
    tool(Command::new("systemd-analyze").args(exposure).arg(&service));
    let config = Config::builder().file(self::file("debian/config.toml")).load().unwrap();
    let port = config.server.listen[0].tcp().unwrap().port();
    assert!(read("systemd/plugbay.socket").contains(&format!("\nListenStream={port}\n")));
    let drain = Config::default().host.drain.as_secs();
    assert!(seconds(&read("systemd/plugbay.service"), "TimeoutStopSec=") > drain + 1);
}

#[test]
fn the_container_file_is_valid_and_its_configuration_too() {
    tool(Command::new("hadolint").arg(file("container/Containerfile")));
    let config = Config::builder().file(file("container/config.toml")).load().unwrap();
    assert_eq!(config.server.listen[0].to_string(), "[::]:8080");
    assert!(read("container/Containerfile").contains("EXPOSE 8080"));
}

#[test]
fn the_manifests_of_kubernetes_are_valid_and_give_a_stop_its_time() {
    let path = file("kubernetes/plugbay.yaml");
    tool(Command::new("kubernetes-validate").arg("--strict").arg(&path));
    let text = read("kubernetes/plugbay.yaml");
    let config = text.split_once("config.toml: |\n").unwrap().1;
    let config = config.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    let config = config.map(str::trim_start).collect::<Vec<_>>().join("\n") + "\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, &config).unwrap();
    let config = Config::builder().file(file).load().unwrap();
    let stop = seconds(&text, "sleep: { seconds:") + config.host.drain.as_secs() + 1;
    assert!(seconds(&text, "terminationGracePeriodSeconds:") > stop);
    // The commands of the probes exist.
    for probe in ["--ready", "--alive"] {
        assert!(text.contains(&format!(r#"["/usr/local/bin/plugbay", "status", "{probe}"]"#)));
        let help = plugbay(&["status", "--help"]).output().unwrap();
        assert!(String::from_utf8_lossy(&help.stdout).contains(probe));
    }
}
