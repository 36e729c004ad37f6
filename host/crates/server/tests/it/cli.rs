//! The command line: exit codes, outputs, and the help of every command.

use std::process::Command;

use plugbay_fixtures::{Behaviour, Export, Guest};

use super::support::{SOON, host, unused_address};

/// Removes the settings of the caller's environment.
pub(crate) fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PLUGBAY_") {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1").env("COLUMNS", "100");
    // A folder without config.toml and plugins; other tests write beside it.
    let empty = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty");
    std::fs::create_dir_all(&empty).unwrap();
    command.current_dir(empty);
    command
}

/// The program with these arguments.
pub(crate) fn plugbay(arguments: &[&str]) -> assert_cmd::Command {
    let mut command = clean(Command::new(env!("CARGO_BIN_EXE_plugbay")));
    command.args(arguments);
    assert_cmd::Command::from_std(command)
}

/// The exit code, stdout and stderr, as text for a snapshot.
fn shown(mut command: assert_cmd::Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    let mut shown = format!("exit {}\n", output.status.code().unwrap());
    for (name, text) in [("stdout", out), ("stderr", err)] {
        if !text.is_empty() {
            shown.extend(["--- ", name, "\n", text.as_str()]);
        }
    }
    shown
}

/// Filters for values that differ between runs and machines.
pub(crate) fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.add_filter(r"[0-9a-f]{64}", "<digest>");
    settings.add_filter(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<time>");
    settings.add_filter(r#"[^"\s]*/\.tmp\w+"#, "<folder>");
    // Ports that the system chose.
    settings.add_filter(r"127\.0\.0\.1:\d{5}", "127.0.0.1:<port>");
    settings.add_filter(r"found \d+ bytes", "found <size> bytes");
    settings.add_filter(r"in \d+ ms", "in <time>");
    settings.add_filter(r"\d+(\.\d+)? (KiB|MiB)", "<size>");
    settings.add_filter(r#""(size|code_size)": \d+"#, r#""$1": "<size>""#);
    settings
}

#[test]
fn help_of_every_command_is_as_recorded() {
    let commands: [&[&str]; 38] = [
        &[],
        &["up"],
        &["list"],
        &["inspect"],
        &["check"],
        &["call"],
        &["convert"],
        &["generations"],
        &["diff"],
        &["enable"],
        &["disable"],
        &["restart"],
        &["drain"],
        &["breaker"],
        &["weights"],
        &["events"],
        &["logs"],
        &["top"],
        &["trace"],
        &["rollback"],
        &["resume"],
        &["token", "new"],
        &["audit", "verify"],
        &["config"],
        &["config", "check"],
        &["config", "show"],
        &["version"],
        &["completions"],
        &["new"],
        &["kind", "new"],
        &["build"],
        &["test"],
        &["dev"],
        &["bench"],
        &["explain"],
        &["directory"],
        &["directory", "backup"],
        &["directory", "restore"],
    ];
    for command in commands {
        let name = format!("help {}", command.join(" ")).trim_end().replace(' ', "_");
        let help = shown(plugbay(&[command, &["--help"]].concat()));
        settings().bind(|| insta::assert_snapshot!(name, help));
    }
}

#[test]
fn usage_errors_exit_with_code_2() {
    for arguments in [
        &["lst"][..],
        &["call", "json", "encode"],
        &["call", "codec:json"],
        &["call", "handler:hello", "encode"],
        &["call", "thing:x"],
        &["list", "--set", "host"],
        &["list", "--set", "host.plugin=x"],
        &["list", "--config", "absent.toml"],
        &["convert", "--from", "json"],
        &["list", "no/kind"],
        &["rollback", "minus"],
        &["diff", "minus"],
        &["breaker", "a", "ajar"],
        &["weights", "codec:a", "a"],
        &["drain", "a", "--wait", "long"],
        &["trace", "ge t", "/"],
        &["status", "--host", "nobody"],
    ] {
        let output = plugbay(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
}

#[cfg(feature = "bundled")]
#[test]
fn convert_writes_the_bytes_and_nothing_else() {
    let convert = |from, to, input: &[u8]| {
        let mut command = plugbay(&["convert", "--from", from, "--to", to]);
        command.write_stdin(input).output().unwrap()
    };
    let output = convert("json", "msgpack", br#"{"a":1}"#);
    assert_eq!(output.stdout, [0x81, 0xa1, 0x61, 0x01], "{output:?}");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(convert("msgpack", "json", &[0x81, 0xa1, 0x61, 0x01]).stdout, br#"{"a":1}"#);
    // Bytes and NaN: the codec's error, and no output.
    for document in [&[0xc4, 0x01, 0xff][..], &[0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]] {
        let refused = convert("msgpack", "json", document);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(refused.stdout.is_empty(), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("JSON"), "{refused:?}");
    }
    let missed = convert("jsno", "msgpack", b"");
    assert!(String::from_utf8_lossy(&missed.stderr).contains("json"), "{missed:?}");
    assert_eq!(missed.status.code(), Some(1));
}

#[cfg(feature = "bundled")]
#[test]
fn call_prints_the_answer_and_sets_the_exit_code() {
    let call = |arguments: &[&str], input: &str| {
        let mut command = plugbay(&[&["call"], arguments].concat());
        let output = command.write_stdin(input).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let hello = ["handler:hello", "--path", "/hello/Ada"];
    assert_eq!(call(&hello, ""), (0, "Hello, Ada!".into()));
    let (code, json) =
        call(&[&hello[..], &["--json", "--header", "accept: application/json"]].concat(), "");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["status"]), (0, &200.into()));
    assert_eq!(call(&["codec:yaml", "encode"], r#"{"a":[1]}"#).1.trim(), "a:\n- 1");
    assert_eq!(call(&["codec:toml", "decode"], "a = 1"), (0, "{\"a\":1}\n".into()));
    assert_eq!(call(&["codec:json", "decode", "--output", "cbor"], "1"), (0, "\u{1}".into()));
    assert_eq!(call(&["codec:json", "decode"], "{").0, 1);
}

#[test]
fn check_prints_reasons() {
    let setup = host()
        .plugin("good.wasm", &Guest::codec("good"))
        .plugin("no.wasm", &Guest::codec("no").on(Export::Init, Behaviour::Trap))
        .file("core.wasm", &plugbay_fixtures::core_module())
        .file("cut.wasm", &plugbay_fixtures::truncated(&Guest::codec("cut").build()))
        .file("text.wasm", &plugbay_fixtures::not_wasm());
    let folder = setup.plugins();
    let names = ["good.wasm", "no.wasm", "core.wasm", "cut.wasm", "text.wasm", "absent.wasm"];
    let files = names.map(|name| folder.join(name).display().to_string());
    let check = |files: &[String], more: &[&str]| {
        let mut command = plugbay(&["check"]);
        command.args(files).args(setup.arguments()).args(more);
        shown(command)
    };
    settings().bind(|| {
        insta::assert_snapshot!("check", check(&files, &[]));
        insta::assert_snapshot!("check_good", check(&files[..1], &[]));
        insta::assert_snapshot!("check_json", check(&files[..2], &["--json"]));
    });
}

#[test]
fn check_finds_clashes() {
    let setup = host().plugin("a.wasm", &Guest::codec("a"));
    let elsewhere = tempfile::tempdir().unwrap();
    let file = |name: &str, guest: &Guest| {
        let file = elsewhere.path().join(name);
        std::fs::write(&file, guest.build()).unwrap();
        file.display().to_string()
    };
    let check = |files: &[&String]| {
        let mut command = plugbay(&["check"]);
        command.args(files).args(setup.arguments());
        shown(command)
    };
    let newer = file("a.wasm", &Guest::codec("a").version("2.0.0"));
    let copy = file("copy.wasm", &Guest::codec("a"));
    let (one, two) = (file("1.wasm", &Guest::codec("b")), file("2.wasm", &Guest::codec("b")));
    settings().bind(|| {
        insta::assert_snapshot!("check_newer", check(&[&newer]));
        insta::assert_snapshot!("check_beside_the_folder", check(&[&copy]));
        insta::assert_snapshot!("check_together", check(&[&one, &two]));
    });
}

/// Devices and pipes are not read: reading them might never end.
#[cfg(target_os = "linux")]
#[test]
fn check_reads_files_and_nothing_else() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let setup = host();
    let elsewhere = tempfile::tempdir().unwrap();
    let pipe = elsewhere.path().join("pipe.wasm");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let large = elsewhere.path().join("large.wasm");
    std::fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
    let mut command = plugbay(&["check", "/dev/zero"]);
    command.args([&pipe, &large, elsewhere.path()]).args(setup.arguments()).timeout(SOON);
    settings().bind(|| insta::assert_snapshot!("check_no_files", shown(command)));
}

/// A file that breaks a rule of `[[migrations]]` alone, and satisfies it together with another one.
#[test]
fn check_applies_the_migration_rules() {
    let setup = host()
        .plugin("a.wasm", &Guest::codec("a").capability("codec", "old"))
        .toml("[[migrations]]\nremove = 'codec:old'\nrequires = 'codec:new'\n");
    let elsewhere = tempfile::tempdir().unwrap();
    let file = |name: &str, guest: &Guest| {
        let file = elsewhere.path().join(name);
        std::fs::write(&file, guest.build()).unwrap();
        file.display().to_string()
    };
    let without = file("a.wasm", &Guest::codec("a").version("2.0.0"));
    let new = file("b.wasm", &Guest::codec("b").capability("codec", "new"));
    let check = |files: &[&String]| {
        let mut command = plugbay(&["check"]);
        command.args(files).args(setup.arguments());
        shown(command)
    };
    settings().bind(|| {
        insta::assert_snapshot!("check_migrations", check(&[&without]));
        insta::assert_snapshot!("check_migrations_kept", check(&[&without, &new]));
    });
}

#[test]
fn inspect_shows_grants() {
    let guest =
        Guest::codec("both").on(Export::Encode, Behaviour::Wait(std::time::Duration::from_secs(1)));
    let setup = host().set("admin.enabled", "false").plugin("both.wasm", &guest).toml(
        "[plugins.both.grants]\nnetwork = ['api.example.org:443', 'localhost:*']\n\
         environment = { TOKEN = 'hunter2' }\nrandom = true\n",
    );
    let file = setup.plugins().join("both.wasm").display().to_string();
    let inspect = |what: &str| {
        let mut command = plugbay(&["inspect", what, "--quiet"]);
        command.args(setup.arguments());
        shown(command)
    };
    settings().bind(|| {
        insta::assert_snapshot!("inspect_granted", inspect("both"));
        insta::assert_snapshot!("inspect_file_granted", inspect(&file));
    });
}

#[test]
fn inspect_shows_a_file() {
    let guest = Guest::both("both").schema(r#"{"type":"object"}"#);
    let setup = host().plugin("both.wasm", &guest);
    let file = setup.plugins().join("both.wasm").display().to_string();
    let inspect = |more: &[&str]| {
        let mut command = plugbay(&["inspect", &file]);
        command.args(setup.arguments()).args(more);
        shown(command)
    };
    settings().bind(|| {
        insta::assert_snapshot!("inspect_file", inspect(&[]));
        insta::assert_snapshot!("inspect_file_json", inspect(&["--json"]));
    });
}

#[test]
fn list_without_a_host_loads_the_plugins() {
    let (_held, address) = unused_address();
    let setup = host()
        .plugin("b.wasm", &Guest::codec("b"))
        .plugin("a.wasm", &Guest::both("a"))
        .set("admin.listen", &address.to_string());
    let list = |what: &str| {
        let mut command = plugbay(&["list", what]);
        command.args(setup.arguments());
        shown(command)
    };
    settings().bind(|| {
        insta::assert_snapshot!("list_plugins", list("plugins"));
        insta::assert_snapshot!("list_codecs", list("codecs"));
        insta::assert_snapshot!("list_handlers", list("handlers"));
        insta::assert_snapshot!("list_other", list("others"));
    });
}

#[test]
fn config_check_reports_mistakes_and_config_show_prints_settings() {
    let setup = host().toml("[server]\nlisen = \"127.0.0.1:1\"\n");
    let run = |arguments: &[&str]| {
        let mut command = plugbay(arguments);
        command.args(setup.arguments());
        shown(command)
    };
    settings().bind(|| {
        insta::assert_snapshot!("config_check_bad", run(&["config", "check"]));
        insta::assert_snapshot!("config_check_bad_json", run(&["config", "check", "--json"]));
        insta::assert_snapshot!(
            "config_show",
            shown(plugbay(&["config", "show", "--set", "host.strict=true"]))
        );
        insta::assert_snapshot!("config_check", shown(plugbay(&["config", "check"])));
    });
}

#[test]
fn config_check_prints_migrations_in_order() {
    let setup = host().toml(
        "[[migrations]]\nremove = \"codec:v1\"\nrequires = \"codec:v2\"\nreason = \"old clients\"\n\
         [[migrations]]\nremove = \"codec:v2\"\nrequires = \"plugin:next\"\n",
    );
    let setup = setup.plugin("v1.wasm", &Guest::codec("v1"));
    let setup = setup.plugin("v2.wasm", &Guest::codec("v2"));
    let run = |arguments: &[&str]| {
        let mut command = plugbay(arguments);
        command.args(setup.arguments());
        shown(command)
    };
    settings().bind(|| {
        insta::assert_snapshot!("config_check_migrations", run(&["config", "check"]));
        insta::assert_snapshot!(
            "config_check_migrations_json",
            run(&["config", "check", "--json"])
        );
    });
}

#[test]
fn a_port_in_use_is_reported_with_key_and_hint() {
    for key in ["server.listen", "admin.listen"] {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let setup = host().set(key, &held.local_addr().unwrap().to_string());
        let mut command = plugbay(&["up"]);
        command.args(setup.arguments());
        let name = format!("port_in_use_{}", key.replace('.', "_"));
        let mut settings = settings();
        settings.add_filter(r"port \d+", "port <port>");
        settings.bind(|| insta::assert_snapshot!(name, shown(command)));
    }
}

#[test]
fn version_shows_what_plugins_are_built_against() {
    let output = plugbay(&["version", "--json"]).output().unwrap();
    let version: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert!(version["wasmtime"].as_str().unwrap().starts_with("48."), "{version}");
    assert_eq!(version["plugin_api"][0], "1.0.0");
    assert_eq!(version["native_abi"][0], 2);
    let short = plugbay(&["--version"]).output().unwrap().stdout;
    let commit = version["commit"].as_str().map(|it| format!(" ({it})")).unwrap_or_default();
    let expected = format!("plugbay {}{commit}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&short), expected);
    let text = plugbay(&["version"]).output().unwrap().stdout;
    assert!(String::from_utf8_lossy(&text).contains("\nnative ABI 2\n"));
}

#[test]
fn completions_of_every_shell_are_printed() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = plugbay(&["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("plugbay") && script.contains("convert"), "{shell}");
    }
}

#[test]
fn config_check_checks_configuration_folder_and_schemas_together() {
    let schema = r#"{"type": "object", "additionalProperties": false}"#;
    let toml = "[plugins.helo]\nenabled = false\n[plugins.a.config]\nwrong = 1\n\
                [[routes]]\npath = \"/v1/codecs/a/encode\"\nhandler = \"hello\"\n";
    let setup = host()
        .plugin("a.wasm", &Guest::codec("a").schema(schema))
        .plugin("hello.wasm", &Guest::handler("hello"))
        .file("cut.wasm", b"\0asm")
        .toml(toml);
    let check = |arguments: &[&str]| {
        let mut command = plugbay(&[&["config", "check"], arguments].concat());
        let output = command.args(setup.arguments()).output().unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, shown) = check(&[]);
    assert_eq!(code, Some(2), "{shown}");
    for part in [
        "plugins/a.wasm: config-schema: ",
        "plugins/cut.wasm: ",
        "warning: plugins.helo: expected the name of a plugin, found \"helo\"; did you mean hello?",
        "warning: routes \"/v1/codecs/a/encode\": expected a path that requests can reach",
    ] {
        assert!(shown.contains(part), "{part:?} in {shown}");
    }
    assert!(!shown.contains("good"), "{shown}");
    let (code, json) = check(&["--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["ok"]), (Some(2), &false.into()));
    assert_eq!((json["rejected"].as_array().unwrap().len(), &json["problems"][0]), (2, &().into()));
    assert_eq!(json["warnings"][0]["key"], "plugins.helo");

    // Warnings alone do not fail the check, and a check leaves no file.
    for file in ["a.wasm", "cut.wasm"] {
        std::fs::remove_file(setup.plugins().join(file)).unwrap();
    }
    std::fs::write(setup.plugins().with_file_name("config.toml"), "[plugins.helo]\n").unwrap();
    let (code, shown) = check(&[]);
    assert!(code == Some(0) && shown.contains("warning: plugins.helo"), "{shown}");
    assert!(shown.contains("good: defaults, "), "{shown}");
    let mut left: Vec<_> = std::fs::read_dir(setup.plugins().parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["config.toml", "plugins"]);
    let rule = "[[migrations]]\nremove = \"codec:old\"\nrequires = \"codec:new\"\n";
    std::fs::write(setup.plugins().with_file_name("config.toml"), rule).unwrap();
    let (code, shown) = check(&[]);
    assert!(code == Some(2) && shown.contains("configuration: migration: "), "{shown}");
    std::fs::write(setup.plugins().with_file_name("config.toml"), "").unwrap();
    std::fs::remove_dir_all(setup.plugins()).unwrap();
    let (code, shown) = check(&[]);
    assert!(code == Some(0) && shown.contains("warning: host.plugins: "), "{shown}");
}
