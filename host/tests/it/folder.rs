//! Changes of the plugin folder, as operators, editors and `ConfigMap`s make them.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Instant;

use plugbay::{Outcome, Reason};
use plugbay_fixtures::Guest;

use crate::support::{assert_neighbours_serve, drop_in, neighbours, place, until};

#[test]
fn a_dangling_link_and_a_folder_are_refused() {
    let site = neighbours().host();
    symlink("nowhere", site.file("b.wasm")).unwrap();
    fs::create_dir(site.file("folder.wasm")).unwrap();
    site.refuses("b.wasm", Reason::Unreadable, &["expected a file, found a dangling link"]);
    site.refuses("folder.wasm", Reason::Unreadable, &["expected a file, found a folder"]);
    // Once its target exists, the link is read as a file.
    crate::support::drop_in(&site.file("nowhere"), &Guest::codec("b").stamp("found").build());
    site.answers("b", "found");
    site.recovers("b.wasm");
    assert_neighbours_serve(&site);
}

#[test]
fn an_unreadable_file_is_refused_until_it_is_replaced() {
    // Root can read every file, but cannot follow a link to itself.
    let site = neighbours().host();
    fs::remove_file(site.file("a.wasm")).unwrap();
    symlink("a.wasm", site.file("a.wasm")).unwrap();
    // Whether `a` still serves depends on whether the host reconciled between the two lines.
    site.refuses("plugins/a.wasm", Reason::Unreadable, &["expected a readable file"]);
    assert_eq!(site.encode("neighbour"), "here");
    site.drop_in("a.wasm", Guest::codec("a").version("2.0.0").stamp("mended"));
    site.answers("a", "mended");
    site.recovers("plugins/a.wasm");
}

#[test]
fn a_plugin_keeps_running_when_its_file_becomes_unreadable() {
    let site = neighbours().unwatched().host();
    fs::remove_file(site.file("a.wasm")).unwrap();
    symlink("a.wasm", site.file("a.wasm")).unwrap();
    site.reconcile();
    site.refuses("plugins/a.wasm", Reason::Unreadable, &["expected a readable file"]);
    assert_neighbours_serve(&site);
}

#[test]
fn a_missing_plugin_folder_is_read_once_it_exists() {
    let site = place().without_folder().host();
    // The folder was missing before the host began to report events.
    assert_eq!(site.rejected("plugins").unwrap().reason, Reason::Unreadable);
    fs::create_dir(site.place.path("plugins")).unwrap();
    site.recovers("plugins");
    site.drop_in("a.wasm", Guest::codec("a").stamp("there"));
    site.answers("a", "there");
}

#[test]
fn plugins_keep_running_when_their_folder_disappears() {
    let site = neighbours().host();
    fs::rename(site.place.path("plugins"), site.place.path("away")).unwrap();
    site.refuses("plugins", Reason::Unreadable, &["expected a readable folder"]);
    assert_neighbours_serve(&site);
    fs::rename(site.place.path("away"), site.place.path("plugins")).unwrap();
    site.recovers("plugins");
    assert_neighbours_serve(&site);
    site.drop_in("a.wasm", Guest::codec("a").version("2.0.0").stamp("second"));
    site.answers("a", "second");
}

#[test]
fn a_replaced_plugin_folder_is_read_and_watched() {
    let site = neighbours().host();
    let next = site.place.path("next");
    fs::create_dir(&next).unwrap();
    crate::support::drop_in(
        &next.join("a.wasm"),
        &Guest::codec("a").version("2.0.0").stamp("two").build(),
    );
    fs::rename(site.place.path("plugins"), site.place.path("old")).unwrap();
    fs::rename(&next, site.place.path("plugins")).unwrap();
    site.answers("a", "two");
    until("the neighbour is retired", || site.codec("neighbour").is_err());
    // The new folder is watched.
    site.drop_in("a.wasm", Guest::codec("a").version("3.0.0").stamp("three"));
    site.answers("a", "three");
}

/// Points a link to another target, atomically.
fn flip(link: &std::path::Path, target: &str) {
    let next = link.with_file_name("..next");
    symlink(target, &next).unwrap();
    fs::rename(&next, link).unwrap();
}

#[test]
fn files_behind_swapped_links_are_loaded_as_in_config_maps() {
    let site = place().without_folder().host();
    let plugins = site.place.path("plugins");
    let version = |name: &str, stamp: &str| {
        fs::create_dir(plugins.join(name)).unwrap();
        let guest = Guest::codec("a").version(&format!("{stamp}.0.0")).stamp(stamp);
        fs::write(plugins.join(name).join("a.wasm"), guest.build()).unwrap();
    };
    fs::create_dir(&plugins).unwrap();
    version("..v1", "1");
    flip(&plugins.join("..data"), "..v1");
    symlink("..data/a.wasm", plugins.join("a.wasm")).unwrap();
    site.answers("a", "1");
    for (folder, stamp, old) in [("..v2", "2", "..v1"), ("..v3", "3", "..v2")] {
        version(folder, stamp);
        flip(&plugins.join("..data"), folder);
        fs::remove_dir_all(plugins.join(old)).unwrap();
        site.answers("a", stamp);
    }
    // Events are sent after the change that they report.
    until("each version was loaded once", || {
        site.count(|it| matches!(it, Outcome::Loaded { .. })) == 3
    });
    assert_eq!(site.encode("a"), "3");
}

#[test]
fn a_plugin_folder_behind_a_swapped_link_is_read_and_watched() {
    let site = place().without_folder().host();
    for stamp in ["1", "2", "3"] {
        let folder = site.place.path(&format!("release-{stamp}"));
        fs::create_dir(&folder).unwrap();
        let guest = Guest::codec("a").version(&format!("{stamp}.0.0")).stamp(stamp);
        fs::write(folder.join("a.wasm"), guest.build()).unwrap();
        flip(&site.place.path("plugins"), &format!("release-{stamp}"));
        site.answers("a", stamp);
    }
    // The new target of the link is watched.
    site.drop_in("a.wasm", Guest::codec("a").version("4.0.0").stamp("4"));
    site.answers("a", "4");
}

#[test]
fn a_plugin_that_an_editor_saves_is_loaded() {
    let site = neighbours().host();
    // As many editors do: the old file is renamed to a backup, the new one takes its name.
    fs::rename(site.file("a.wasm"), site.file("a.wasm~")).unwrap();
    fs::write(site.file("4913"), "").unwrap();
    fs::remove_file(site.file("4913")).unwrap();
    site.drop_in("a.wasm", Guest::codec("a").version("2.0.0").stamp("edited"));
    site.answers("a", "edited");
    fs::remove_file(site.file("a.wasm~")).unwrap();
    assert_eq!(site.encode("neighbour"), "here");
    assert!(site.status().rejected.is_empty());
}

#[test]
fn a_configuration_that_an_editor_saves_is_applied() {
    let site = neighbours().host();
    let config = site.place.path("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    for (round, enabled) in [false, true, false].into_iter().enumerate() {
        let backup = site.place.path("config.toml~");
        fs::rename(&config, &backup).unwrap();
        fs::write(&config, format!("{text}\n[plugins.a]\nenabled = {enabled}")).unwrap();
        fs::remove_file(&backup).unwrap();
        until(&format!("round {round}"), || site.codec("a").is_ok() == enabled);
    }
    until("no file is refused", || site.status().rejected.is_empty());
}

#[test]
fn two_hundred_files_added_together_are_loaded_in_few_generations() {
    let site = neighbours().host();
    let before = site.status().generation;
    let files: Vec<(String, Vec<u8>)> = (0..200)
        .map(|index| (format!("p{index:03}"), Guest::codec(&format!("p{index:03}")).build()))
        .collect();
    let began = Instant::now();
    for (name, bytes) in &files {
        site.drop_in(&format!("{name}.wasm"), &**bytes);
    }
    until("all files are loaded", || site.names("codec").len() == 202);
    let generations = site.status().generation - before;
    // What is ready after a second is published, so a slow machine needs more of them.
    let most = 5 + began.elapsed().as_secs();
    assert!((1..=most).contains(&generations), "{generations} generations, expected up to {most}");
    assert!(site.status().rejected.is_empty());
    assert_neighbours_serve(&site);
}

#[test]
fn a_plugin_folder_that_disappears_for_a_moment_is_watched_again() {
    let site = neighbours().host();
    for stamp in ["2", "3", "4"] {
        // The same folder returns before the next reconciliation. It must be watched again.
        fs::rename(site.place.path("plugins"), site.place.path("away")).unwrap();
        fs::rename(site.place.path("away"), site.place.path("plugins")).unwrap();
        site.reconcile();
        site.drop_in("a.wasm", Guest::codec("a").version(&format!("{stamp}.0.0")).stamp(stamp));
        site.answers("a", stamp);
    }
    assert_eq!(site.encode("neighbour"), "here");
}

#[test]
fn a_plugin_folder_that_is_replaced_many_times_stays_watched() {
    let site = neighbours().host();
    for round in 2..12 {
        let (next, plugins) = (site.place.path("next"), site.place.path("plugins"));
        fs::create_dir(&next).unwrap();
        fs::rename(&plugins, site.place.path(&format!("old-{round}"))).unwrap();
        fs::rename(&next, &plugins).unwrap();
        let version = |stamp: &str| Guest::codec("a").version(&format!("{round}.0.0")).stamp(stamp);
        site.drop_in("a.wasm", version(&format!("{round}")));
        site.answers("a", &format!("{round}"));
        site.drop_in("a.wasm", version(&format!("{round}, again")));
        site.answers("a", &format!("{round}, again"));
    }
}

#[test]
fn the_targets_of_links_are_watched() {
    // The rescan of these tests takes a day: only the watcher sees the changes.
    let site = place().plugin("b.wasm", Guest::codec("b").stamp("b")).host();
    let path = |name: &str| site.place.path(name);
    for folder in ["build", "releases/v1", "releases/v2", "repo"] {
        fs::create_dir_all(path(folder)).unwrap();
    }
    let built = path("releases/v1/x.wasm");
    drop_in(&built, &Guest::codec("a").stamp("1").build());
    symlink("v1", path("releases/current")).unwrap();
    symlink("../releases/current/x.wasm", path("build/x.wasm")).unwrap();
    symlink("../build/x.wasm", site.file("a.wasm")).unwrap();
    site.answers("a", "1");
    drop_in(&built, &Guest::codec("a").version("2.0.0").stamp("2").build());
    site.answers("a", "2");
    fs::write(&built, Guest::codec("a").version("3.0.0").stamp("3").build()).unwrap();
    site.answers("a", "3");
    drop_in(&path("releases/v2/x.wasm"), &Guest::codec("a").version("4.0.0").stamp("4").build());
    flip(&path("releases/current"), "v2");
    site.answers("a", "4");
    drop_in(&path("releases/v2/y.wasm"), &Guest::codec("a").version("5.0.0").stamp("5").build());
    flip(&path("build/x.wasm"), "../releases/v2/y.wasm");
    site.answers("a", "5");

    // The same holds for the configuration.
    let config = path("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::rename(&config, path("repo/config.toml")).unwrap();
    symlink("repo/config.toml", &config).unwrap();
    let config = path("repo/config.toml");
    drop_in(&config, format!("{text}[plugins.a]\nenabled = false\n").as_bytes());
    until("the configuration is applied", || site.names("codec") == ["b"]);
    fs::write(&config, format!("{text}[plugins.b]\nenabled = false\n[plugins.c]\n")).unwrap();
    until("the configuration is applied", || site.names("codec") == ["a"]);
}

#[test]
fn too_many_folders_behind_links_are_reported_until_there_are_fewer() {
    let site = neighbours().host();
    assert_eq!(site.status().watch_error, None);
    let folders = 0..1024;
    for number in folders.clone() {
        let folder = site.place.path(&format!("build-{number}"));
        fs::create_dir(&folder).unwrap();
        let link = site.file(&format!("link-{number}.wasm"));
        symlink(folder.join("absent.wasm"), link).unwrap();
    }
    until("the status reports the loss", || site.status().watch_error.is_some());
    let error = site.status().watch_error.unwrap();
    assert!(error.starts_with("file watching unavailable, polling every 1day"), "{error}");
    assert!(error.contains("more than 1024 folders"), "{error}");
    site.wait_for_event("the loss of the watcher", |it| matches!(it, Outcome::WatchLost { .. }));
    // The plugin folder is still watched.
    for number in folders {
        site.remove(&format!("link-{number}.wasm"));
    }
    until("the status reports no loss", || site.status().watch_error.is_none());
    site.wait_for_event("the return of the watcher", |it| matches!(it, Outcome::WatchRestored));
    assert_eq!(site.count(|it| matches!(it, Outcome::WatchLost { .. })), 1);
    assert_neighbours_serve(&site);
}

/// Who may write to the folder may not be allowed to read what a link leads to.
#[test]
fn the_refusal_of_a_link_shows_no_bytes_of_its_target() {
    let site = neighbours().host();
    fs::write(site.place.path("secret"), "password=1234").unwrap();
    symlink("../secret", site.file("b.wasm")).unwrap();
    let expected = "found a link to a file with other bytes";
    let rejected = site.refuses("plugins/b.wasm", Reason::UnknownFormat, &[expected]);
    let bytes = "70 61 73 73"; // pass
    assert!(!rejected.message.contains(bytes), "{}", rejected.message);
    // Other bytes: what is known of a digest is not found again.
    site.drop_in("c.wasm", b"passport=1234".as_slice());
    site.refuses("plugins/c.wasm", Reason::UnknownFormat, &[bytes]);
}
