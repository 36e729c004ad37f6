//! The commands of authors, from an empty folder to a live answer.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::cli::clean;
use super::support::ask;

/// A kind of an application.
mod greeter {
    plugbay::kind!("tests/it/greeter.wit");
}

/// Its interface.
const GREETER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/greeter.wit");

/// The longest time until a change is live, with the build of a plugin in C.
const SOON: Duration = Duration::from_mins(1);

/// A folder with nothing in it, in which the program runs.
struct Author(TempDir);

impl Author {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, within: &str, arguments: &[&str]) -> Command {
        let mut command = clean(Command::new(env!("CARGO_BIN_EXE_plugbay")));
        command.args(arguments).current_dir(self.folder().join(within));
        command
    }

    fn run(&self, within: &str, arguments: &[&str]) -> Ran {
        let Output { status, stdout, stderr } = self.command(within, arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.folder().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}:\n{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }
}

#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

/// `plugbay dev`, whose host serves at ports of its own.
struct Dev {
    child: Child,
    lines: Receiver<String>,
    data: SocketAddr,
}

impl Dev {
    fn start(author: &Author, within: &str) -> Self {
        let ports = ["--set", "server.listen=127.0.0.1:0", "--set", "admin.listen=127.0.0.1:0"];
        let mut command = author.command(within, &["dev"]);
        let mut child = command
            .args(ports)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        let err = BufReader::new(child.stderr.take().unwrap());
        let also = sender.clone();
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        std::thread::spawn(move || {
            err.lines().map_while(Result::ok).for_each(|line| drop(also.send(line)));
        });
        let mut dev = Self { child, lines, data: ([127, 0, 0, 1], 0).into() };
        let line = dev.until("serving   http://");
        dev.data = line["serving   http://".len()..].parse().unwrap();
        dev
    }

    /// Waits for a line with this text in it.
    fn until(&self, text: &str) -> String {
        let end = Instant::now() + SOON;
        let mut seen = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("{error}: expected {text:?}, found\n{}", seen.join("\n")),
            }
        }
    }

    /// Encodes a document until the answer is this one; returns when it was.
    async fn until_encoded(&self, codec: &str, json: &str, expected: &str) -> Instant {
        let path = format!("/v1/codecs/{codec}/encode");
        let end = Instant::now() + SOON;
        loop {
            let header = [("content-type", "application/json")];
            let answer = ask(self.data, "POST", &path, &header, json.into()).await;
            if answer.text() == expected {
                return Instant::now();
            }
            assert!(Instant::now() < end, "expected {expected:?}, found {answer:?}");
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_name_that_no_plugin_can_have_is_a_mistake_of_the_command_line() {
    let author = Author::new();
    let ran = author.run("", &["new", "../a"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("found \"../a\""), "{ran:?}");
    assert_eq!(fs::read_dir(author.folder()).unwrap().count(), 0);
    let ran = author.run("", &["new", "a", "--kind", "handler", "--lang", "c"]);
    assert!(ran.code == 2 && ran.err.contains("--lang rust"), "{ran:?}");
    let ran = author.run("", &["build"]);
    assert!(ran.code == 2 && ran.err.contains("plugbay new NAME"), "{ran:?}");
}

#[test]
fn a_plugin_in_c_is_made_built_checked_and_tested() {
    let author = Author::new();
    author.run("", &["new", "rot", "--lang", "c"]).ok();
    let built = author.run("rot", &["build"]).ok();
    let artifact = built.out.trim();
    assert_eq!(artifact, format!("target/plugins/rot{}", std::env::consts::DLL_SUFFIX));
    assert!(author.folder().join("rot").join(artifact).exists());
    let tested = author.run("rot", &["test"]).ok();
    assert!(tested.out.contains("3 cases, 0 failed"), "{tested:?}");
    // A load says no, because no operator allows native code.
    let checked = author.run("rot", &["check"]);
    assert!(checked.code == 1 && checked.out.contains("isolation"), "{checked:?}");
    let allowed = author.run("rot", &["check", "--set", "defaults.isolation=process"]).ok();
    assert!(allowed.out.starts_with("good: "), "{allowed:?}");
}

#[test]
fn an_unexpected_answer_fails_until_it_is_accepted() {
    let author = Author::new();
    author.run("", &["new", "rot", "--lang", "c"]).ok();
    author.edit("rot/src/plugin.c", "+ 13) % 26", "+ 1) % 26");
    let failed = author.run("rot", &["test", "encode"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    for part in [
        "FAILED  encode",
        "Uryyb, Nqn",
        "Ifmmp, Beb",
        "ok      encode-a-number",
        "2 cases, 1 failed",
    ] {
        assert!(failed.out.contains(part), "{part:?} is missing in {failed:?}");
    }
    let updated = author.run("rot", &["test", "encode", "--update"]).ok();
    assert!(updated.out.contains("updated encode"), "{updated:?}");
    let expected = author.folder().join("rot/tests/cases/encode/expected.txt");
    assert_eq!(fs::read(expected).unwrap(), b"Ifmmp, Beb");
    author.run("rot", &["test", "encode"]).ok();
    let report: Value = serde_json::from_str(&author.run("rot", &["test", "--json"]).out).unwrap();
    assert_eq!(report[0]["case"], "decode");
    assert_eq!(report[0]["verdict"], "failed");
}

#[test]
fn a_run_is_measured_beside_the_last_one() {
    let author = Author::new();
    author.run("", &["new", "rot", "--lang", "c"]).ok();
    for before in [None, Some("encode")] {
        let ran = author.run("rot", &["bench", "encode", "--seconds", "1", "--json"]).ok();
        let run: Value = serde_json::from_str(&ran.out).unwrap();
        let figures = &run["run"]["encode"];
        assert!(figures["calls"].as_u64() > Some(100) && figures["p50"].as_u64() > Some(0));
        assert!(figures["peak_memory"].as_u64() > Some(0), "{run}");
        assert_eq!(run["run"].as_object().unwrap().len(), 1, "a failing call is not measured");
        assert_eq!(run["last"].as_object().unwrap().keys().next().map(String::as_str), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_source_in_c_is_live_and_a_broken_one_is_not() {
    let author = Author::new();
    author.run("", &["new", "rot", "--lang", "c"]).ok();
    let dev = Dev::start(&author, "rot");
    dev.until_encoded("rot", "\"Hello\"", "Uryyb").await;
    author.edit("rot/src/plugin.c", "+ 13) % 26", "+ ) % 26");
    dev.until("not built");
    dev.until_encoded("rot", "\"Hello\"", "Uryyb").await;
    author.edit("rot/src/plugin.c", "+ ) % 26", "+ 1) % 26");
    dev.until_encoded("rot", "\"Hello\"", "Ifmmp").await;
}

#[test]
fn dev_can_build_for_a_host_that_runs() {
    let author = Author::new();
    author.run("", &["new", "rot", "--lang", "c"]).ok();
    let ran = author.run("rot", &["dev", "--into", "../nowhere"]);
    assert!(ran.code == 2 && ran.err.contains("../nowhere"), "{ran:?}");
    fs::create_dir(author.folder().join("plugins")).unwrap();
    let mut child = author.command("rot", &["dev", "--into", "../plugins"]).spawn().unwrap();
    let file = author.folder().join("plugins").join(format!("rot{}", std::env::consts::DLL_SUFFIX));
    let end = Instant::now() + SOON;
    while !file.exists() && Instant::now() < end {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(file.exists());
}

/// npm fetches componentize-qjs, which has the interpreter in it.
#[test]
#[ignore = "fetches 40 MB by npm"]
fn every_template_in_javascript_passes_its_tests() {
    let author = Author::new();
    for (name, kind, cases) in [("lines", "codec", 3), ("greeter", "handler", 2)] {
        author.run("", &["new", name, "--kind", kind, "--lang", "js"]).ok();
        let tested = author.run(name, &["test"]).ok();
        assert!(tested.out.contains(&format!("{cases} cases, 0 failed")), "{tested:?}");
        let checked = author.run(name, &["check"]).ok();
        assert!(checked.out.starts_with("good: "), "{checked:?}");
    }
    author.edit("lines/src/plugin.js", "document.map(", "document.map((");
    let broken = author.run("lines", &["build"]);
    assert!(broken.code == 1 && broken.err.contains("componentize-qjs failed"), "{broken:?}");
}

#[test]
fn a_reason_is_explained() {
    let author = Author::new();
    let ran = author.run("", &["explain", "missing-import"]).ok();
    assert!(ran.out.contains("imports something that this host does not offer"), "{ran:?}");
    let ran = author.run("", &["explain", "mising-import"]);
    assert!(ran.code == 2 && ran.err.contains("did you mean missing-import?"), "{ran:?}");
}

/// The whole way in Rust, in three commands: `new`, `dev`, and the edit of a file. The crates of the SDK are fetched
/// and built, which is why this does not run with the other tests.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds the SDK for WebAssembly: half a minute"]
async fn from_an_empty_folder_to_a_live_change_in_rust() {
    let author = Author::new();
    let began = Instant::now();
    author.run("", &["new", "lines"]).ok();
    let dev = Dev::start(&author, "lines");
    dev.until_encoded("lines", r#"["one", "two"]"#, "one\ntwo\n").await;
    let served = began.elapsed();
    author.edit("lines/src/lib.rs", "text.push('\\n');", "text.push(';');");
    let saved = Instant::now();
    let live = dev.until_encoded("lines", r#"["one", "two"]"#, "one;two;").await;
    let built = dev.until("built     ");
    let seconds: f64 = built.split(' ').rev().nth(1).unwrap().parse().unwrap();
    // Compiling the component: this program, which is not optimised, takes long for it.
    let loaded = dev.until("loaded lines@0.1.0");
    let loading = loaded.split_once(" in ").unwrap().1.split(' ').next().unwrap();
    let loading: f64 = loading.parse().unwrap();
    let took = live - saved;
    println!(
        "served after {served:?}; live after {took:?}, built in {seconds} s, loaded in {loading} ms"
    );
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    // A tenth of a second for the rounding of the build's time.
    let most = Duration::from_secs_f64(seconds + loading / 1e3) + Duration::from_millis(300);
    assert!(took < most, "{took:?}, built in {seconds} s, loaded in {loading} ms");
}

#[test]
#[ignore = "builds the SDK for WebAssembly and natively: minutes"]
fn every_template_in_rust_passes_its_tests() {
    let author = Author::new();
    for (name, kind, cases) in [("lines", "codec", 3), ("greeter", "handler", 2)] {
        author.run("", &["new", name, "--kind", kind]).ok();
        for target in ["pure", "wasi", "native"] {
            let tested = author.run(name, &["test", "--target", target]).ok();
            assert!(tested.out.contains(&format!("{cases} cases, 0 failed")), "{tested:?}");
        }
        author.run(name, &["check"]).ok();
        let unit = Command::new("cargo")
            .args(["test", "--quiet"])
            .current_dir(author.folder().join(name))
            .env_remove("CARGO_TARGET_DIR")
            .output()
            .unwrap();
        assert!(unit.status.success(), "{}", String::from_utf8_lossy(&unit.stderr));
        let files: Vec<PathBuf> =
            ["Cargo.toml", "AGENTS.md", ".gitignore", ".github/workflows/plugin.yml"]
                .iter()
                .map(|file| author.folder().join(name).join(file))
                .collect();
        assert!(files.iter().all(|file| file.exists()), "{files:?}");
    }
}

#[test]
fn a_kind_of_an_application_and_its_plugin_are_made_by_two_commands() {
    let author = Author::new();
    let made = author.run("", &["kind", "new", "fraud-check"]).ok();
    assert!(made.out.contains("plugbay new PLUGIN --kind wit/fraud-check.wit"), "{made:?}");
    let again = author.run("", &["kind", "new", "fraud-check"]);
    assert!(again.code == 2 && again.err.contains("found one"), "{again:?}");
    author.run("", &["new", "rules", "--kind", "wit/fraud-check.wit"]).ok();
    for file in [
        "src/lib.rs",
        "src/kind.rs",
        "src/kind/bindings.rs",
        "wit/fraud-check.wit",
        "sdk/Cargo.toml",
    ] {
        assert!(author.folder().join("rules").join(file).exists(), "{file}");
    }
    author.edit("wit/fraud-check.wit", "-> result<string, error>", "-> stream<u8>");
    let refused = author.run("", &["new", "other", "--kind", "wit/fraud-check.wit"]);
    assert!(refused.code == 2 && refused.err.contains("found a stream"), "{refused:?}");
    let unknown = author.run("", &["new", "other", "--kind", "filter"]);
    assert!(
        unknown.code == 2 && unknown.err.contains("expected codec, handler, or"),
        "{unknown:?}"
    );
}

#[test]
#[ignore = "builds the SDK for WebAssembly and natively: minutes"]
fn a_plugin_of_an_own_kind_builds_passes_its_test_and_serves() {
    use self::greeter::{Greeter as _, GreeterHandle, GreeterKind, Person, check_plugin};

    let author = Author::new();
    author.run("", &["new", "polite", "--kind", GREETER]).ok();
    let unit = Command::new("cargo")
        .args(["test", "--quiet"])
        .current_dir(author.folder().join("polite"))
        .output()
        .unwrap();
    assert!(unit.status.success(), "{}", String::from_utf8_lossy(&unit.stderr));
    author.edit("polite/src/lib.rs", "Ok(String::from(\"\"))", "{ ensure!(!who.name.is_empty(), invalid_input, \"expected a name, found none\"); Ok(format!(\"Dear {}\", who.name)) }");
    let built = author.run("polite", &["build"]).ok();
    let plugin = fs::read(author.folder().join("polite").join(built.out.trim())).unwrap();
    check_plugin(plugin.clone()).unwrap();

    let mut config = plugbay::Config::default();
    config.host.linked = false;
    config.host.cache = PathBuf::new();
    let builder = plugbay::Host::builder().config(config).watch(false).kind::<GreeterKind>();
    let host = builder.artifact("polite", plugin).build_blocking().unwrap();
    let polite = GreeterHandle::find(&host, "polite").unwrap();
    let person = |name: &str| Person { name: name.to_owned(), titles: Vec::new(), tone: None };
    assert_eq!(polite.greet(&person("Ada")).unwrap(), "Dear Ada");
    let error = polite.greet(&person("")).unwrap_err();
    assert_eq!(error.reason(), "invalid-input");
    assert!(error.to_string().contains("expected a name, found none"), "{error}");
    assert_eq!(polite.count().unwrap(), 0);
}
