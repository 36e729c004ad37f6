//! Commands that load plugins for one answer leave no file behind: neither in the folder in which they are
//! called, nor in that of temporary files.

use std::ffi::OsString;
use std::path::Path;

use plugbay_fixtures::Guest;

use super::cli::plugbay;
use super::support::deploy;

fn names(folder: &Path) -> Vec<OsString> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

#[test]
fn commands_leave_no_file_behind() {
    let (work, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(work.path().join("plugins")).unwrap();
    deploy(&work.path().join("plugins"), "a.wasm", &Guest::codec("a").stamp("stamp"));
    std::fs::write(work.path().join("config.toml"), "[host]\nlinked = false\n").unwrap();
    let commands: [&[&str]; 8] = [
        &["check", "plugins/a.wasm"],
        &["inspect", "plugins/a.wasm"],
        &["inspect", "a"],
        &["list", "codecs"],
        &["list", "plugins"],
        &["call", "codec:a", "encode"],
        &["convert", "--from", "a", "--to", "a"],
        &["config", "check"],
    ];
    for arguments in commands {
        let mut command = plugbay(arguments);
        // Without an admin plane no running host is asked.
        command.current_dir(work.path()).env("PLUGBAY_ADMIN_ENABLED", "false");
        // The digit is a document in JSON, and in CBOR, which the codec reads.
        let output = command.env("TMPDIR", temporary.path()).write_stdin("1").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert_eq!(names(work.path()), ["config.toml", "plugins"], "{arguments:?}");
        assert_eq!(names(&work.path().join("plugins")), ["a.wasm"], "{arguments:?}");
        assert!(names(temporary.path()).is_empty(), "{arguments:?}: {:?}", names(temporary.path()));
    }
}
