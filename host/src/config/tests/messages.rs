//! The exact texts of error messages.

use super::{brief, good, refused};

fn check(text: &str, expected: &str) {
    let error = refused(text.trim_start_matches('\n'));
    assert_eq!(
        error.to_string(),
        expected.trim_start_matches('\n').trim_end(),
        "\nfound:\n{error}\n"
    );
}

#[test]
fn an_unknown_key_names_the_nearest_and_all_known() {
    check(
        "
[server]
# a comment
lisen = \"127.0.0.1:7070\"
",
        "
config.toml:3:1: server.lisen: unknown key; did you mean `listen`?
  |
3 | lisen = \"127.0.0.1:7070\"
  | ^^^^^
  = keys of [server]: listen, max_body, max_buffered, timeout, rate, allow, deny, trusted_proxies, compression, max_connections, max_connections_per_client, max_requests_per_connection, max_header, max_header_fields, header_timeout, idle_timeout, http2_streams, http2_resets, http2_refused, http2_stream_window, http2_connection_window, http2_send_buffer, http2_age, tls
",
    );
    assert_eq!(refused("[server]\nlisen = 1").reason(), "config-unknown-key");
}

#[test]
fn an_unknown_section_names_the_nearest() {
    check(
        "[sever]\nlisten = \"127.0.0.1:7070\"\n",
        "
config.toml:1:2: sever: unknown key; did you mean `server`?
  |
1 | [sever]
  |  ^^^^^
  = sections of the file: host, server, admin, telemetry, discovery, defaults, plugins, routes, capabilities, migrations
",
    );
}

#[test]
fn a_wrong_type_names_expected_and_found() {
    check(
        "[host]\nstrict = \"yes\"\n",
        "
config.toml:2:10: host.strict: expected true or false, found the string \"yes\"
  |
2 | strict = \"yes\"
  |          ^^^^^
",
    );
    assert_eq!(refused("[host]\nstrict = \"yes\"").reason(), "config-type");
    assert_eq!(
        brief(&refused(
            "server = 3\nroutes = 1\nplugins = 2\n[defaults]\ncpu = []\n[host]\nplugins=1979-05-27"
        )),
        [
            "server: expected a table, found the integer 3",
            "routes: expected an array of tables, found the integer 1",
            "plugins: expected a table, found the integer 2",
            "defaults.cpu: expected a duration such as \"250ms\", \"30s\", \"5m\" or \"1h\", found an array",
            "host.plugins: expected a path, found the datetime 1979-05-27",
        ]
    );
}

#[test]
fn a_duration_with_an_unknown_unit_names_the_units() {
    check(
        "[defaults]\n  cpu = \"10 parsecs\" # light years?\n",
        "
config.toml:2:9: defaults.cpu: expected a duration such as \"250ms\", \"30s\", \"5m\" or \"1h\", found the unknown unit \"parsecs\"
  |
2 |   cpu = \"10 parsecs\" # light years?
  |         ^^^^^^^^^^^^
  = units: ms, s, m (minutes), h, days; several may follow each other
",
    );
    assert_eq!(refused("[defaults]\ncpu = \"10 parsecs\"").reason(), "config-value");
}

#[test]
fn a_duration_without_a_unit_names_the_solutions() {
    check(
        "[server]\ntimeout = 30\n",
        "
config.toml:2:11: server.timeout: expected a duration such as \"250ms\", \"30s\", \"5m\" or \"1h\", found the integer 30 without a unit
  |
2 | timeout = 30
  |           ^^
  = write \"30s\" for seconds or \"30ms\" for milliseconds
",
    );
}

#[test]
fn a_bad_size_names_the_units() {
    check(
        "[server]\nmax_body = \"8 megs\"\n",
        "
config.toml:2:12: server.max_body: expected a size such as \"64MiB\", \"8MB\" or \"1024\", found \"8 megs\"
  |
2 | max_body = \"8 megs\"
  |            ^^^^^^^^
  = units: B, KB, MB, GB, TB (1000) and KiB, MiB, GiB, TiB (1024)
",
    );
}

#[test]
fn a_value_out_of_range_names_the_range() {
    check(
        "[host]\nparallel = 5000\n",
        "
config.toml:2:12: host.parallel: expected 0 to 1024, found 5000
  |
2 | parallel = 5000
  |            ^^^^
",
    );
    assert_eq!(
        brief(&refused(
            "[host]\nrescan = \"10ms\"\nparallel = -1\n[defaults]\nmemory = \"1TiB\"\nrecycle_calls = 99999999999999999999"
        )),
        [
            "host.rescan: expected \"1s\" to \"1day\", found \"10ms\"",
            "host.parallel: expected a whole number, found the integer -1",
            "defaults.memory: expected \"64KiB\" to \"4GiB\", found \"1TiB\"",
            "defaults.recycle_calls: expected a whole number, found the integer 99999999999999999999",
        ]
    );
}

#[test]
fn a_syntax_error_shows_its_place_and_stops() {
    let error = refused("[server]\nlisten = 127.0.0.1:7070\nlisen = 3\n");
    assert_eq!(error.reason(), "config-syntax");
    assert_eq!((error.problems[0].line, error.problems[0].column.is_some()), (Some(2), true));
    assert!(error.problems.iter().all(|problem| problem.key.is_none()), "{error}");
    let text = error.to_string();
    assert!(text.contains("2 | listen = 127.0.0.1:7070\n  | "), "{text}");
    assert!(text.contains("strings in quotes"), "{text}");
}

#[test]
fn a_key_given_twice_is_a_syntax_error() {
    let error = refused("[host]\nstrict = true\nstrict = false\n");
    assert_eq!((error.reason(), error.problems[0].line), ("config-syntax", Some(3)));
}

#[test]
fn all_mistakes_are_reported_in_the_order_of_the_lines() {
    let error = refused(
        "[server]\nlisten = \"localhost:7070\"\ntimeot = \"1s\"\n[host]\nstrict = 1\n\
         [plugins.Hello]\n[plugins.x]\nmemroy = \"1MiB\"\ninstances = \"many\"\n",
    );
    let lines: Vec<_> = error.problems.iter().filter_map(|problem| problem.line).collect();
    assert_eq!(lines, [2, 3, 5, 6, 8, 9], "{error}");
    assert_eq!(error.reason(), "config-unknown-key", "the most basic of them");
    assert!(error.to_string().contains("write \"127.0.0.1:7070\""), "{error}");
}

#[test]
fn an_admin_plane_for_everyone_is_refused_without_tokens_and_tls() {
    check(
        "[admin]\nlisten = \"0.0.0.0:7071\"\n",
        "
config.toml:2:10: admin.listen: expected a loopback address without tokens and TLS, found \"0.0.0.0:7071\"
  |
2 | listen = \"0.0.0.0:7071\"
  |          ^^^^^^^^^^^^^^
  = beyond this machine everyone could act on the host, or read a token on its way: make a token by `plugbay token new NAME --role operator --file tokens`, set admin.tokens = \"tokens\" and admin.tls = { certificate = \"tls.pem\", key = \"tls.key\" }; or listen on \"127.0.0.1:7071\" and reach it through an SSH tunnel
",
    );
    let beyond = |more: &str| format!("[admin]\nlisten = '0.0.0.0:7071'\n{more}");
    let tls = "tls = { certificate = 'a.pem', key = 'a.key' }\n";
    for (more, missing) in [(tls, "without tokens,"), ("tokens = 'tokens'\n", "without TLS,")] {
        let error = refused(&beyond(more)).to_string();
        assert!(error.contains(missing), "{error}");
    }
    let both = good(&beyond(&format!("{tls}tokens = 'tokens'\n")));
    assert!(both.admin.needs_token());
    good(&beyond("enabled = false\n"));
}

#[test]
fn a_token_in_the_place_of_its_file_is_refused_and_not_repeated() {
    let error = refused("[admin]\ntokens = 'plugbay_hunter2'\n").to_string();
    assert!(error.contains("expected the name of a file, found a token"), "{error}");
    assert!(error.contains("revoke this one") && !error.contains("hunter2"), "{error}");
}

#[test]
fn secrets_are_not_shown() {
    for text in [
        "[plugins.x.config]\npassword = \"hunter2\" oops",
        "[plugins.x.config]\nlimit = 1 \napi_key = \"hunter2",
        "plugins.x = { config = { token = 'hunter2' }, oops = 1 }",
        "[plugins.x.config]\nsecret = [nan, 'hunter2']",
        "[plugins.x]\nconfig.db.password = inf # hunter2",
    ] {
        let error = refused(text);
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn control_characters_are_not_printed() {
    let error = refused("[server]\n\"\\u001b[31mred\" = 1\nlisten = \"a\\u001b[31m\\u202e\"\n");
    let text = error.to_string();
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
}

#[test]
fn a_long_line_is_shortened_around_the_place() {
    let text = format!("[server]\nlisten = \"{}\"", "x".repeat(5000));
    let shown = refused(&text).to_string();
    assert!(shown.lines().all(|line| line.chars().count() < 300), "{shown}");
    let text = format!("plugins = {{ {} x = {{ enabled = 3 }} }}", " ".repeat(3000));
    let shown = refused(&text).to_string();
    let lines: Vec<&str> = shown.lines().collect();
    let caret = lines[3].find('^').expect("a caret");
    assert_eq!(lines[2].as_bytes().get(caret), Some(&b'3'), "{shown}");
}

#[test]
fn columns_count_characters() {
    let error = refused("[plugins.x]\nartifact = \"ä\"\n\"ü\" = 1\nenabled = [\"ß\"] # é\n");
    let at: Vec<_> = error.problems.iter().map(|p| (p.line, p.column)).collect();
    assert_eq!(at, [(Some(3), Some(1)), (Some(4), Some(11))], "{error}");
}

#[test]
fn mistakes_beyond_a_hundred_are_counted() {
    let lines: Vec<String> = (0..500).map(|n| format!("unknown{n} = 1")).collect();
    let text = lines.join("\n");
    let error = refused(&text);
    assert_eq!(error.problems.len(), 100);
    assert!(error.to_string().ends_with("and 400 more"), "{error}");
}
