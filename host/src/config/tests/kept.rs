//! The configuration that was last in force, kept for the next start.

use std::fs::{self, File};
use std::io;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use crate::config::file::SETTLE;
use crate::config::kept::keep;
use crate::config::{Config, Layers};

#[test]
fn the_last_configuration_of_a_file_is_loaded_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (file, cache) = (path("config.toml"), path("cache"));
    let layers = |file: &str| Config::builder().file(path(file)).keep_last();
    let text = "[host]\ncache = \"cache\"\nstrict = true\n";
    assert_eq!(keep(&cache, &file, text).unwrap_err().kind(), io::ErrorKind::NotFound);
    fs::create_dir(&cache).unwrap();
    for text in ["[host]\n", text, text] {
        keep(&cache, &file, text).unwrap();
    }
    let starts = |layers: &Layers, text: &str| {
        for name in ["config.toml", "other.toml"] {
            fs::write(path(name), text).unwrap();
            // It does not count as one that is being saved.
            let file = File::options().append(true).open(path(name)).unwrap();
            file.set_modified(SystemTime::now() - 2 * SETTLE).unwrap();
        }
        assert!(layers.load().is_err(), "{text:?}");
        layers.load_to_start().map(|config| assert!(config.host.strict)).is_ok()
    };
    let named = "[host]\ncache = \"cache\"\nlinkd = 1\n";
    for broken in [named, "host.cache = \"cache\"\n[[[", "[host]\ncache = \"cache\"\n[plugins.\n"] {
        assert!(starts(&layers("config.toml"), broken), "{broken:?}");
    }
    // The last configuration is found only in the same cache, and only for the same file.
    let with_cache = |file| layers(file).set("host.cache", cache.to_str().unwrap());
    assert!(!starts(&layers("config.toml"), "[["));
    assert!(starts(&with_cache("config.toml"), "[["));
    assert!(!starts(&with_cache("other.toml"), named));
    // The last configuration is used only if it still loads, and only if it is requested.
    assert!(!starts(&with_cache("config.toml").set("host.rescan", "no"), "[["));
    assert!(!starts(&Config::builder().file(&file), named));
    let kept: Vec<_> = fs::read_dir(&cache).unwrap().map(|it| it.unwrap().path()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    #[cfg(unix)]
    assert_eq!(fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o600);
}

/// A host that starts while its file is being saved neither refuses the file nor starts with the kept one.
#[test]
fn a_start_waits_for_a_file_that_is_being_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let text = "[host]\ndebounce = \"7s\"\n";
    for layers in [Config::builder().file(&path), Config::builder().file(&path).keep_last()] {
        fs::write(&path, &text[..12]).unwrap();
        assert!(layers.load().is_err());
        let config = std::thread::scope(|scope| {
            scope.spawn(|| {
                #[expect(clippy::disallowed_methods, reason = "simulates a slow save")]
                std::thread::sleep(SETTLE / 10);
                fs::write(&path, text).unwrap();
            });
            layers.load_to_start().unwrap()
        });
        assert_eq!(config.host.debounce, Duration::from_secs(7));
    }
    // Once it has not changed for a while, it is refused.
    fs::write(&path, &text[..12]).unwrap();
    let error = Config::builder().file(&path).load_to_start().unwrap_err();
    assert_eq!(error.reason(), "config-syntax");
}
