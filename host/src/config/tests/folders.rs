//! Folders in which a plugin may write, and what they must not contain.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::brief;
use crate::config::{Config, ConfigError};

/// A place with the folders `data/sub` and `other`, and a configuration in `etc`.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        for folder in ["data/sub", "other", "etc"] {
            fs::create_dir_all(place.0.path().join(folder)).expect("a folder");
        }
        place
    }

    fn link(&self, target: &str, at: &str) {
        symlink(target, self.0.path().join(at)).expect("a link");
    }

    /// Loads the text, in which `@` stands for the path of the place.
    fn load(&self, text: &str) -> Result<Config, ConfigError> {
        let text = text.replace('@', self.0.path().to_str().expect("text"));
        Config::parse(&text, &self.0.path().join("etc/config.toml"))
    }

    fn assert_refused(&self, text: &str, key: &str, parts: &[&str]) {
        let error = self.load(text).expect_err(text);
        let [problem] = &brief(&error)[..] else { panic!("{text}:\n{error}") };
        assert!(problem.starts_with(&format!("{key}: ")), "{text}: {problem}");
        for part in parts {
            assert!(problem.contains(part), "{text}: expected {part}, found {problem}");
        }
    }
}

#[test]
fn a_granted_folder_inside_one_for_writing_is_refused() {
    let place = Place::new();
    let text = "[plugins.x.grants]\nread = ['@/data/sub']\nwrite = ['@/other', '@/data']";
    let parts = ["/data\", in which it could replace", "/data/sub\", of plugins.x.grants.read[0]"];
    place.assert_refused(text, "plugins.x.grants.write[1]", &parts);
    let text = "[plugins.x.grants]\nwrite = ['@/data']\n[plugins.y.grants]\nwrite = ['@/data/sub']";
    place.assert_refused(text, "plugins.x.grants.write[0]", &["of plugins.y.grants.write[0]"]);
    let text = "[plugins.x.grants]\nwrite = ['@/data']\n[plugins.y.grants]\nread = ['@/data/none']";
    place.assert_refused(text, "plugins.x.grants.write[0]", &["/data/none\""]);
    let text = "[plugins.x.grants]\nwrite = ['/']\n[plugins.y.grants]\nread = ['@/data']";
    place.assert_refused(text, "plugins.x.grants.write[0]", &["/data\", of plugins.y"]);
}

#[test]
fn a_granted_folder_that_is_reached_through_one_for_writing_is_refused() {
    let place = Place::new();
    place.link("data", "names");
    place.link("../../other", "data/sub/out");
    place.link("data/sub/out", "round");
    // The folder by its real name, by a link inside it, and by a link to that link.
    for read in ["@/names/sub", "@/data/sub/out", "@/round"] {
        for write in ["@/data", "@/names"] {
            let text = format!("[plugins.x.grants]\nwrite = ['{write}']\nread = ['{read}']");
            place.assert_refused(
                &text,
                "plugins.x.grants.write[0]",
                &["of plugins.x.grants.read[0]"],
            );
        }
    }
    // A link in a cycle is not resolved.
    place.link("cycle", "cycle");
    place.load("[plugins.x.grants]\nwrite = ['@/data']\nread = ['@/cycle']").expect("good");
}

#[test]
fn a_folder_for_writing_with_files_of_the_host_is_refused() {
    let place = Place::new();
    place.link("etc", "settings");
    for (folder, what) in [
        ("@/etc/.plugbay/cache", "the folder of compiled plugins,"),
        ("@/etc/.plugbay", "the folder of compiled plugins,"),
        ("@/etc/.plugbay/cache/48/aa", "the folder of compiled plugins,"),
        ("@/etc/plugins", "the folder of plugins,"),
        ("@/etc", "the folder of compiled plugins,"),
        ("@/settings", "the folder of compiled plugins,"),
    ] {
        let text = format!("[plugins.x.grants]\nwrite = ['{folder}']");
        place.assert_refused(&text, "plugins.x.grants.write[0]", &[what]);
    }
    let elsewhere = "[host]\nplugins = '@/other'\ncache = '/var/cache'\n";
    let text = format!("{elsewhere}[plugins.x.grants]\nwrite = ['@/etc/.plugbay']");
    place.assert_refused(
        &text,
        "plugins.x.grants.write[0]",
        &["the file of the plugins' states,", "state.db"],
    );
    let text = format!("{elsewhere}state = ''\n[plugins.x.grants]\nwrite = ['@/settings']");
    place.assert_refused(
        &text,
        "plugins.x.grants.write[0]",
        &["the configuration,", "config.toml"],
    );
    // A flag cannot grant more than the file.
    let error = Config::builder()
        .text("", place.0.path().join("etc/config.toml"))
        .set("plugins.x.grants.write", format!("[{:?}]", place.0.path().join("etc")))
        .load()
        .expect_err("a refusal");
    assert_eq!(brief(&error).len(), 1, "{error}");
}

#[test]
fn folders_may_be_shared_and_read_at_any_depth() {
    let place = Place::new();
    place.link("data", "names");
    for text in [
        "[plugins.x.grants]\nwrite = ['@/data']\n[plugins.y.grants]\nread = ['@/data']",
        "[plugins.x.grants]\nwrite = ['@/data']\n[plugins.y.grants]\nwrite = ['@/names']",
        "[plugins.x.grants]\nread = ['@/data']\n[plugins.y.grants]\nwrite = ['@/data/sub']",
        "[plugins.x.grants]\nread = ['@', '/']\nwrite = ['@/data']",
        "[plugins.x.grants]\nwrite = ['@/data', '@/database', '@/etc/plugins/data']",
    ] {
        let config = place.load(text).unwrap_or_else(|error| panic!("{text}:\n{error}"));
        assert!(Path::new(&config.plugins["x"].grants.files[0].host).is_absolute());
    }
}
