//! What operators switched, over changes of the configuration, restarts of the host and rollbacks.

use std::fs;

use plugbay::config::Origin;
use plugbay::{ActionOptions, Outcome, RollbackError, Switch};
use plugbay_fixtures::Guest;

use crate::support::{Site, neighbours, place, until, wait};

fn ops() -> ActionOptions {
    ActionOptions::by("ada")
}

fn switches(site: &Site) -> Vec<Switch> {
    site.status().overrides.into_iter().map(|it| it.switch).collect()
}

#[test]
fn an_override_survives_a_restart_of_the_host() {
    let site = neighbours().host();
    wait(site.disable("a", ops())).unwrap();
    let since = site.status().overrides[0].since;
    let site = site.restart();
    assert!(site.codec("a").is_err());
    let millis = |time: std::time::SystemTime| {
        time.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
    };
    assert_eq!(millis(site.status().overrides[0].since), millis(since));
    wait(site.enable("a", ops())).unwrap();
    let site = site.restart();
    assert_eq!((site.encode("a").as_str(), switches(&site).len()), ("good", 0));
}

#[test]
fn an_override_holds_until_the_configuration_says_the_same() {
    let site = neighbours().host();
    wait(site.disable("a", ops())).unwrap();
    site.configure("[plugins.a]\nenabled = true\n[plugins.neighbour]\nenabled = false\n");
    until("the new configuration", || site.codec("neighbour").is_err());
    assert!(site.codec("a").is_err());
    assert_eq!(switches(&site), [Switch::Disabled]);
    site.configure("[plugins.a]\nenabled = false\n");
    site.wait_for_event("the end of the override", |it| {
        matches!(it, Outcome::OverrideDropped { on, switch } if on == "a" && switch == "disabled")
    });
    until("it is not listed", || switches(&site).is_empty());
    site.configure("");
    site.answers("a", "good");
}

#[test]
fn an_operator_can_enable_what_the_configuration_disables() {
    let site = neighbours().config("[plugins.a]\nenabled = false\n").host();
    assert!(site.codec("a").is_err());
    wait(site.enable("a", ops())).unwrap();
    site.answers("a", "good");
    assert_eq!(switches(&site), [Switch::Enabled]);
    wait(site.disable("a", ops())).unwrap();
    assert!(site.codec("a").is_err() && switches(&site).is_empty());
}

#[test]
fn a_rollback_restores_what_was_switched_then_and_a_resume_what_is_switched_now() {
    let site = neighbours().host();
    let first = site.snapshot().generation();
    wait(site.disable("a", ops())).unwrap();
    let change = site.diff(first).unwrap();
    assert_eq!((change.capabilities_added, change.plugins.len()), (vec!["codec:a".to_owned()], 1));
    assert_eq!(change.config[0].key, "plugins.a.enabled");
    wait(site.roll_back(first)).unwrap();
    assert_eq!((site.encode("a").as_str(), switches(&site).len()), ("good", 0));
    // What is switched now holds over the rollback, and after it.
    wait(site.disable("neighbour", ops())).unwrap();
    assert!(site.codec("neighbour").is_err() && site.encode("a") == "good");
    assert_eq!(site.status().pinned, Some(first));
    let resume = wait(site.preview_resume()).unwrap();
    assert_eq!(resume.change.capabilities_removed, ["codec:a"]);
    wait(site.resume()).unwrap();
    assert!(site.codec("a").is_err() && site.codec("neighbour").is_err());
    assert_eq!(switches(&site), [Switch::Disabled, Switch::Disabled]);
    // Calls that are held back stay held back in a rollback.
    wait(site.enable("a", ops())).unwrap();
    wait(site.open_breaker("a", ops())).unwrap();
    wait(site.roll_back(first)).unwrap();
    assert!(site.codec("a").unwrap().encode_document(&[]).is_err());
    assert!(matches!(site.diff(99), Err(RollbackError::Unknown { wanted: 99, .. })));
}

#[test]
fn a_reload_can_be_previewed() {
    let site = neighbours().unwatched().host();
    site.drop_in("a.wasm", Guest::codec("a").version("2.0.0").stamp("new"));
    site.drop_in("c.wasm", Guest::codec("c"));
    let mut dry = wait(site.preview_reload()).unwrap();
    until("both are prepared", || {
        dry = wait(site.preview_reload()).unwrap();
        dry.change.plugins.len() == 2 || site.names("codec").len() == 3
    });
    if dry.change.plugins.len() == 2 {
        assert_eq!(dry.change.plugins[0].differs, ["version", "digest"]);
        assert_eq!(dry.change.capabilities_added, ["codec:c"]);
    }
    drop(site.reconcile());
    site.answers("a", "new");
}

#[test]
fn a_host_without_a_folder_to_write_to_says_that_it_forgets() {
    let site = neighbours().cache(std::path::Path::new("")).host();
    let done = wait(site.disable("a", ops())).unwrap();
    assert!(done.notes[0].contains("it is forgotten when the host stops"), "{done:?}");
    assert!(site.codec("a").is_err());
    site.wait_for_event("the warning", |it| matches!(it, Outcome::OverridesFile { .. }));
    assert_eq!(site.restart().encode("a"), "good");
}

#[test]
fn a_damaged_file_of_overrides_is_reported_and_written_anew() {
    let site = neighbours().host();
    wait(site.disable("a", ops())).unwrap();
    let files = fs::read_dir(site.place.path("cache")).unwrap();
    let mut files = files.map(|it| it.unwrap().path());
    let file = files.find(|it| it.to_str().unwrap().contains("overrides-")).unwrap();
    fs::write(&file, "{").unwrap();
    let site = site.restart();
    assert_eq!(site.encode("a"), "good");
    let alarms = site.start_alarms();
    let alarm = alarms.iter().find(|it| it.outcome.reason() == "overrides-file").unwrap();
    assert!(alarm.outcome.to_string().contains(file.to_str().unwrap()), "{}", alarm.outcome);
    wait(site.disable("a", ops())).unwrap();
    assert!(site.restart().codec("a").is_err());
}

#[test]
fn the_running_configuration_says_where_each_value_comes_from() {
    let sections = "[plugins.neighbour]\nmemory = '16MiB'\n[plugins.neighbour.grants]\n\
                    environment = { TOKEN = 'hunter2' }\n";
    let site = place()
        .plugin("a.wasm", Guest::codec("a"))
        .plugin("neighbour.wasm", Guest::codec("neighbour"))
        .config(sections)
        .host_with(|builder| builder);
    wait(site.disable("a", ops())).unwrap();
    let running = site.running_config();
    let origin = |key: &str| {
        let value = running.values.iter().find(|it| it.key == key);
        value.unwrap_or_else(|| panic!("{key} in {:?}", running.values)).origin.clone()
    };
    let text = fs::read_to_string(site.place.path("config.toml")).unwrap();
    let at = 1 + text.lines().position(|line| line.starts_with("memory")).unwrap();
    assert_eq!(
        origin("plugins.neighbour.memory"),
        Origin::File { path: site.place.path("config.toml"), line: at }
    );
    assert!(matches!(origin("plugins.a.enabled"), Origin::Operator { by, .. } if by == "ada"));
    assert_eq!(origin("server.timeout"), Origin::Default);
    assert!(running.toml.contains("[plugins.neighbour]"), "{}", running.toml);
    let shown = serde_json::to_string(&running).unwrap();
    assert!(shown.contains("16MiB") && !shown.contains("hunter2"), "{shown}");
}
