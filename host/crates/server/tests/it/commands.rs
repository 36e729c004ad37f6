//! The commands that act on a running host, and those that follow it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use plugbay_fixtures::Guest;
use serde_json::Value;

use super::cli::clean;
use super::support::{SOON, Serving, host};

/// A host with two codecs that share a capability.
async fn serving() -> Serving {
    host()
        .plugin("a.wasm", &Guest::codec("a").capability("codec", "c"))
        .plugin("b.wasm", &Guest::codec("b").capability("codec", "c"))
        .toml(
            "[capabilities.'codec:c']\nstrategy = 'split'\nproviders = ['a', 'b']\nweights = [9, 1]\n",
        )
        .serve()
        .await
}

/// Runs the program against this host; returns its exit code, stdout and stderr.
async fn run(admin: SocketAddr, arguments: &[&str]) -> (i32, String, String) {
    let mut command = clean(Command::new(env!("CARGO_BIN_EXE_plugbay")));
    command.args(arguments).arg("--set").arg(format!("admin.listen={admin}"));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn shown((code, out, err): (i32, String, String)) -> String {
    format!("exit {code}\n{out}{err}")
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_print_what_they_change() {
    let serving = serving().await;
    let admin = serving.admin();
    let mut all = String::new();
    for arguments in [
        &["disable", "a", "--dry-run"][..],
        &["disable", "a"],
        &["restart", "a"],
        &["diff", "1"],
        &["rollback", "1", "--dry-run"],
        &["enable", "a"],
        &["restart", "a"],
        &["drain", "a", "--wait", "0"],
        &["enable", "a"],
        &["breaker", "a", "open"],
        &["breaker", "a", "reset"],
        &["weights"],
        &["weights", "codec:c", "a=1", "b=3"],
        &["weights", "codec:c"],
        &["weights", "codec:c", "--reset"],
        &["weights", "codec:c", "--json"],
        &["weights", "codec:x"],
        &["weights", "codec:c", "x=1"],
        &["disable", "aa"],
        &["disable", "aa", "--json"],
        &["diff", "99"],
        &["rollback", "1"],
        &["reload", "--dry-run"],
        &["resume", "--dry-run"],
        &["resume"],
    ] {
        let printed = shown(run(admin, arguments).await);
        all.extend(["$ plugbay ", &*arguments.join(" "), "\n", &*printed]);
    }
    let mut settings = super::cli::settings();
    settings.add_filter("[0-9a-f]{12}, ", "<digest>, ");
    settings.bind(|| insta::assert_snapshot!("actions", all));
    let (code, out, _) = run(admin, &["disable", "b", "--json"]).await;
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &report["change"]["capabilities_removed"]),
        (0, &serde_json::json!(["codec:b"]))
    );
    let (code, out, _) = run(admin, &["status"]).await;
    assert!(code == 0 && out.contains("b is disabled by operator since 20"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_running_configuration_is_shown_with_its_origins() {
    let serving = serving().await;
    let (code, out, err) = run(serving.admin(), &["config", "show", "--running"]).await;
    assert_eq!(code, 0, "{err}");
    let line = |key: &str| out.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    let weights = line("capabilities.\"codec:c\".weights");
    assert!(weights.contains("[9,1]") && weights.ends_with("config.toml:4"), "{weights}");
    assert!(line("server.timeout").ends_with("default"));
    assert!(line("host.linked").ends_with("--set host.linked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_found_by_its_name() {
    let serving = serving().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.toml");
    std::fs::write(&file, format!("[hosts.edge]\nadmin = \"{}\"\n", serving.admin())).unwrap();
    let ask = |name: &'static str, what: &'static str| {
        let mut command = clean(Command::new(env!("CARGO_BIN_EXE_plugbay")));
        command.args([what, "--host", name]).env("PLUGBAY_HOSTS", &file);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let found = ask("edge", "status").await.unwrap();
    assert!(String::from_utf8_lossy(&found.stdout).contains("generation 1"), "{found:?}");
    let unknown = ask("egde", "status").await.unwrap();
    let text = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(unknown.status.code() == Some(2) && text.contains("no host \"egde\""), "{text}");
    assert!(text.contains("known: edge"), "{text}");
    // No other host stands in for one that does not answer.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::write(&file, format!("[hosts.gone]\nadmin = \"{nobody}\"\n")).unwrap();
    let gone = ask("gone", "list").await.unwrap();
    let text = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(gone.status.code() == Some(1) && text.contains("(gone), found none"), "{text}");
}

/// The lines that a command prints until it is killed.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(admin: SocketAddr, arguments: &[&str]) -> Self {
        let mut command = clean(Command::new(env!("CARGO_BIN_EXE_plugbay")));
        command.args(arguments).arg("--set").arg(format!("admin.listen={admin}"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let (printed, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            // Ends with the process.
            stdout.lines().map_while(Result::ok).for_each(|line| drop(printed.send(line)));
        });
        Self { child, lines }
    }

    fn until(&self, part: &str) -> Vec<String> {
        let mut seen = Vec::new();
        while !seen.last().is_some_and(|line: &String| line.contains(part)) {
            let line = self.lines.recv_timeout(SOON);
            seen.push(line.unwrap_or_else(|_| panic!("no {part:?} in {seen:?}")));
        }
        seen
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_shown_and_followed() {
    let serving = serving().await;
    let admin = serving.admin();
    run(admin, &["disable", "a"]).await;
    let (code, out, _) = run(admin, &["events", "--json"]).await;
    let events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = events.iter().find(|it| it["outcome"] == "operator").unwrap();
    assert_eq!((code, &last["action"], &last["on"]), (0, &"disable".into(), &"a".into()));
    let following = Following::start(admin, &["events", "--follow"]);
    following.until("operator asked for disable of a");
    run(admin, &["enable", "a"]).await;
    following.until("operator asked for enable of a");
}

/// Answers one request after the other with these answers, on one address.
fn answering(answers: Vec<String>) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, requests) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap() == 0 {
                    break;
                }
                head.push(byte[0]);
            }
            asked.send(String::from_utf8(head).unwrap()).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (address, requests)
}

fn json(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn stream(numbers: &[u64]) -> String {
    let events =
        numbers.iter().map(|seq| format!("id: {seq}\nevent: resumed\ndata: {}\n\n", record(*seq)));
    let events: String = events.collect();
    format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n{events}"
    )
}

fn record(seq: u64) -> String {
    format!(r#"{{"seq":{seq},"at":"2026-01-31T12:00:00Z","generation":1,"outcome":"resumed"}}"#)
}

#[test]
fn a_follower_resumes_and_says_what_is_lost() {
    let history = format!(
        r#"{{"generation":1,"published_at":"2026-01-31T12:00:00Z","pinned":null,"history":[],"previous":null,
        "draining":[],"pending_restart":[],"events":[{},{}]}}"#,
        record(1),
        record(2)
    );
    let answers = vec![json(&history), stream(&[3]), stream(&[4, 9]), stream(&[1])];
    let (admin, requests) = answering(answers);
    let following = Following::start(admin, &["events", "--follow"]);
    let lines = following.until("the host was started again");
    assert_eq!(lines.iter().filter(|line| line.contains("applying changes again")).count(), 5);
    assert!(lines.contains(&"-- 4 events are lost".to_owned()), "{lines:?}");
    following.until("applying changes again");
    let asked: Vec<String> = requests.try_iter().take(4).collect();
    for (request, id) in asked[1..].iter().zip(["2", "3", "9"]) {
        assert!(request.contains(&format!("last-event-id: {id}\r\n")), "{request}");
    }
    following.until("the host does not answer");
}

const LINES: &str = r#"{"lines":[
    {"seq":1,"at":"2026-01-31T12:00:00Z","level":"INFO","target":"plugbay_server::request","plugin":"a",
     "message":"answered","fields":"status=200 request_id=r-1"},
    {"seq":2,"at":"2026-01-31T12:00:01Z","level":"WARN","target":"plugbay","message":"other","fields":""}
    ],"after":2}"#;

#[test]
fn logs_are_shown_for_all_or_one_plugin_and_for_one_request() {
    let run = |answer: String, arguments: &[&str]| {
        let (admin, requests) = answering(vec![answer]);
        let mut command = clean(Command::new(env!("CARGO_BIN_EXE_plugbay")));
        command.args(arguments).arg("--set").arg(format!("admin.listen={admin}"));
        let output = command.output().unwrap();
        let request = requests.recv().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), request)
    };
    let (code, out, request) = run(json(LINES), &["logs"]);
    assert_eq!((code, out.lines().count()), (Some(0), 2), "{out}");
    assert!(request.starts_with("GET /v1/logs?limit=1000 HTTP"), "{request}");
    assert!(out.contains("INFO plugbay_server::request: answered status=200"), "{out}");
    let (_, _, request) = run(json(LINES), &["logs", "a"]);
    assert!(request.contains("&plugin=a "), "{request}");
    let (code, out, _) = run(json(LINES), &["trace", "r-1"]);
    assert!(code == Some(0) && out.contains("answered") && !out.contains("other"), "{out}");
    let (code, ..) = run(json(LINES), &["trace", "r-2"]);
    assert_eq!(code, Some(1));
}

#[test]
fn a_follower_of_the_log_asks_again_and_says_so() {
    let lines = |seqs: &[u64]| {
        let line = |seq: &u64| {
            format!(
                r#"{{"seq":{seq},"at":"2026-01-31T12:00:00Z","level":"INFO","target":"plugbay","message":"line {seq}","fields":""}}"#
            )
        };
        let all = seqs.iter().map(line).collect::<Vec<_>>().join(",");
        json(&format!(r#"{{"lines":[{all}],"after":{}}}"#, seqs.last().unwrap()))
    };
    let gone = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let gone = || gone.to_owned();
    let again = json(r#"{"lines":[],"after":1}"#);
    let answers =
        vec![lines(&[1, 2]), lines(&[3]), gone(), gone(), lines(&[4]), again, lines(&[1])];
    let (admin, requests) = answering(answers);
    let following = Following::start(admin, &["logs", "--follow"]);
    let seen = following.until("the host was started again");
    let of = |part: &str| seen.iter().filter(|line| line.contains(part)).count();
    assert_eq!(of(": line "), 4, "{seen:?}");
    assert_eq!(of("-- the host does not answer; trying again"), 1, "{seen:?}");
    assert_eq!(of("-- connected again"), 1, "{seen:?}");
    // It reads the new host's lines from their beginning.
    following.until(": line 1");
    let asked: Vec<String> = requests.try_iter().take(7).collect();
    assert!(asked[4].contains("&after=3 ") && asked[6].contains("&after=0 "), "{asked:?}");
    following.until("the host does not answer");
}

#[test]
fn top_prints_one_table_without_a_terminal() {
    let figures = |at: &str, answered: u64| {
        json(&format!(
            r#"{{"host_started_at":"{at}","at":"{at}","generation":3,"rejected":0,"draining":0,
            "bounds":[0.001,0.1],"plugins":[{{"name":"a","version":"1.0.0","state":"running",
            "started_at":"2026-01-31T11:00:00Z","answered":{answered},"failed":0,"cancelled":0,
            "durations":[{answered},0,0],"in_flight":2,"waiting":0,"instances":1,"memory":65536}}]}}"#
        ))
    };
    let answers =
        || vec![figures("2026-01-31T12:00:00Z", 100), figures("2026-01-31T12:00:02Z", 300)];
    let run = |more: &[&str]| {
        let (admin, _requests) = answering(answers());
        let mut command = clean(Command::new(env!("CARGO_BIN_EXE_plugbay")));
        command.arg("top").args(more).arg("--set").arg(format!("admin.listen={admin}"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let table = run(&[]);
    let row = table.lines().nth(1).unwrap();
    for part in ["a@1.0.0", "running", "100.0", "1 ms", "64.0 KiB", "2"] {
        assert!(row.contains(part), "{part} in {table}");
    }
    let json: Value = serde_json::from_str(&run(&["--json"])).unwrap();
    assert_eq!(json["plugins"][0]["calls_per_second"], 100.0);
}
