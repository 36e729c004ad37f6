//! Runs the guides: every command in README.md and docs/ must do what the page says.
//!
//! | fence | meaning |
//! |---|---|
//! | `sh` | runs by `bash -e` in a fresh folder, and must succeed |
//! | `sh fails` | must not succeed |
//! | `sh background` | runs in the first terminal until the next such block, or the end of the page |
//! | `sh no-run` | does not run; `<!-- not run: why -->` is required before it |
//! | `text` | the output of the block before it, in the first or second terminal |
//! | `text background` | the next output of the first terminal |
//! | `text built` | as `text`, if the bundled plugins are built (by `cargo xtask plugins` or `test`) |
//! | `toml` | a configuration; `toml manifest` is a manifest, which is not checked |
//!
//! `…` in a text matches anything within a line; a line `…` matches any lines. A block does not see
//! the variables or the working folder of the block before it. `<!-- instead: command -->` names a
//! command to run instead of a slow block, such as a build.
//!
//! The tests `…_with_real_builds` run every block, also those with `no-run`, in a copy of the repository:
//! `cargo test -p plugbay-server --test docs -- --ignored`. They build the program and plugins from
//! nothing, which takes too long for each run of all tests. The comment before a block can say `slowly: command`, to run that instead; `within: folder`, to run it there; and
//! `needs: target`, to skip it if the compiler lacks that target.
//!
//! Rust blocks are doc tests of the crates that they document.

#![cfg(unix)]

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use plugbay::Config;
use plugbay_fixtures::Guest;
use tempfile::TempDir;

/// The longest time that a block may take.
const TIMEOUT: Duration = Duration::from_mins(2);
/// The same for a build.
const BUILD_TIMEOUT: Duration = Duration::from_mins(60);
/// The longest time until the first terminal prints the expected output. Less than `host.rescan`,
/// so that changes must be found by the watcher.
const SOON: Duration = Duration::from_secs(20);
/// The pause between two polls.
const PAUSE: Duration = Duration::from_millis(10);

const DATA: &str = "127.0.0.1:7070";
const ADMIN: &str = "127.0.0.1:7071";
const DIRECTORY: &str = "127.0.0.1:7072";
const DNS: &str = "127.0.0.1:8600";
/// The same for `dig`.
const DIG: &str = "@127.0.0.1 -p 8600";

#[test]
fn readme() {
    run("README.md");
}

#[test]
fn getting_started() {
    run("docs/getting-started.md");
}

#[test]
fn writing_a_plugin() {
    run("docs/writing-a-plugin.md");
}

#[test]
fn operating() {
    run("docs/operating.md");
}

#[test]
fn state() {
    run("docs/state.md");
}

#[test]
fn http() {
    run("docs/http.md");
}

#[test]
fn metrics() {
    run("docs/metrics.md");
}

#[test]
fn logs() {
    run("docs/logs.md");
}

#[test]
fn observing() {
    run("docs/observing.md");
}

#[test]
fn tracing() {
    run("docs/tracing.md");
}

/// Every attribute of a span, and every reason for a lost one, is in the guide.
#[test]
fn tracing_explains_every_attribute() {
    let page = fs::read_to_string(root().join("docs/tracing.md")).unwrap();
    for name in plugbay::trace::attributes::ALL {
        assert!(page.contains(&format!("`{name}`")), "docs/tracing.md: no row for {name}");
    }
    for reason in plugbay_otlp::DropReason::ALL {
        let series = format!("| `plugbay_spans_dropped_total{{reason=\"{}\"}}` |", reason.as_str());
        assert!(page.contains(&series), "docs/tracing.md: no row for {series}");
    }
}

#[test]
fn directory() {
    run("docs/directory.md");
}

#[test]
fn directory_dns() {
    run("docs/directory-dns.md");
}

#[test]
fn directory_durability() {
    run("docs/directory-durability.md");
}

#[test]
fn discovery_client() {
    run("docs/discovery-client.md");
}

#[test]
fn embedding() {
    run("docs/embedding.md");
}

#[test]
#[ignore = "builds the program without optimisation, and the bundled plugins: minutes"]
fn getting_started_with_real_builds() {
    let page = "docs/getting-started.md";
    Terminals::in_a_copy_of_the_repository(page).run_all();
}

#[test]
#[ignore = "builds the bundled plugins, and those of the guide: minutes"]
fn writing_a_plugin_with_real_builds() {
    let page = "docs/writing-a-plugin.md";
    let terminals = Terminals::in_a_copy_of_the_repository(page);
    // What the guide says before its first build: the crate, and its place in the workspace.
    let plugins = terminals.folder.path().join("plugins");
    let text = fs::read_to_string(root().join(page)).unwrap();
    let blocks = blocks(&text);
    let first = |is: fn(&Block) -> bool| blocks.iter().find(|block| is(block)).unwrap();
    let code = first(|block| block.is("rust")).text.replace("\n# fn main() {}", "");
    let manifest = &first(|block| block.is("toml") && block.has("manifest")).text;
    fs::create_dir_all(plugins.join("lines/src")).unwrap();
    fs::write(plugins.join("lines/src/lib.rs"), code).unwrap();
    fs::write(plugins.join("lines/Cargo.toml"), manifest).unwrap();
    let workspace = fs::read_to_string(plugins.join("Cargo.toml")).unwrap();
    // Those that are built by default as well.
    let members = workspace.replace("members = [", "members = [\n    \"lines\",");
    assert_ne!(members, workspace);
    fs::write(plugins.join("Cargo.toml"), members).unwrap();
    terminals.run_all();
}

#[test]
fn every_guide_has_a_test() {
    // The benchmarks are measured by hand: a test cannot measure.
    let tested = [
        "README.md",
        "benchmarks.md",
        "directory-dns.md",
        "directory-durability.md",
        "directory.md",
        "discovery-client.md",
        "embedding.md",
        "getting-started.md",
        "http.md",
        "logs.md",
        "metrics.md",
        "observing.md",
        "operating.md",
        "state.md",
        "tracing.md",
        "writing-a-plugin.md",
    ];
    let pages = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|it| it == "md"));
    let mut names: Vec<_> =
        pages.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(names, tested);
    let index = blocks(&fs::read_to_string(root().join("docs/README.md")).unwrap());
    assert!(index.is_empty(), "docs/README.md has commands, and no test");
}

/// Every reason of a refusal, every kind of failed call, and every event has a row.
#[test]
fn operating_explains_every_reason() {
    let page = fs::read_to_string(root().join("docs/operating.md")).unwrap();
    let sources = [
        "host/crates/core/src/refusal.rs",
        "host/crates/core/src/call.rs",
        "host/src/report/outcome.rs",
    ];
    for source in sources {
        let code = fs::read_to_string(root().join(source)).unwrap();
        let words = code.lines().filter_map(|line| {
            let (case, word) = line.trim().split_once(" => \"")?;
            case.starts_with("Self::").then(|| word.trim_end_matches("\","))
        });
        let words: Vec<_> = words.collect();
        assert!(words.len() > 10, "{source}: expected a list of reasons, found {words:?}");
        for word in words {
            assert!(
                page.contains(&format!("| `{word}` |")),
                "docs/operating.md: no row for {word}"
            );
        }
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.."))
}

/// A fenced block of a page.
#[derive(Debug)]
struct Block {
    /// The line of its fence, from 1.
    line: usize,
    /// The words after the fence.
    info: Vec<String>,
    /// The comment before it.
    comment: String,
    text: String,
}

impl Block {
    fn is(&self, language: &str) -> bool {
        self.info.first().is_some_and(|it| it == language)
    }

    fn has(&self, flag: &str) -> bool {
        self.info.iter().skip(1).any(|it| it == flag)
    }

    /// Whether it runs, in a test with real builds or in a quick one.
    fn runs(&self, really: bool) -> bool {
        !self.has("no-run") || really || self.directive("instead").is_some()
    }

    /// The commands to run, in a test with real builds or in a quick one.
    fn commands(&self, really: bool) -> &str {
        let other = self.directive(if really { "slowly" } else { "instead" });
        other.unwrap_or(&self.text)
    }

    /// What the comment says after this word and a colon.
    fn directive(&self, word: &str) -> Option<&str> {
        let (_, said) = self.comment.split_once(&format!("{word}: "))?;
        let words = ["instead: ", "slowly: ", "within: ", "needs: "];
        let end = words.iter().filter_map(|word| said.find(word)).min();
        Some(said[..end.unwrap_or(said.len())].trim())
    }
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut open, mut comment, mut in_comment) = (false, String::new(), false);
    for (index, line) in page.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            open = !open;
            if open {
                let info = info.split([' ', ',']).map(str::to_owned).collect();
                let comment = std::mem::take(&mut comment);
                blocks.push(Block { line: index + 1, info, comment, text: String::new() });
            }
        } else if open && let Some(block) = blocks.last_mut() {
            block.text.push_str(line);
            block.text.push('\n');
        } else if let Some(begun) = line.strip_prefix("<!--") {
            begun.trim_end_matches("-->").clone_into(&mut comment);
            in_comment = !line.ends_with("-->");
        } else if in_comment {
            comment.push(' ');
            comment.push_str(line.trim_end_matches("-->").trim());
            in_comment = !line.ends_with("-->");
        } else if !line.is_empty() {
            comment.clear();
        }
    }
    assert!(!open, "a fence is not closed");
    blocks
}

/// Runs all blocks of a page.
fn run(page: &str) {
    Terminals::new(page).run_all();
}

/// The two terminals of a reader, in a folder that looks like the repository.
struct Terminals {
    page: String,
    line: usize,
    folder: TempDir,
    /// The ports of the data plane, of the admin plane, of the directory and of its zone.
    ports: [u16; 4],
    /// Whether the components of the bundled plugins are built.
    built: bool,
    /// Whether the folder is a copy of the repository, in which every block runs.
    really: bool,
    first: Option<First>,
    printed: String,
}

struct First {
    child: Child,
    output: PathBuf,
    /// The number of output lines that the page has shown.
    shown: usize,
}

impl Terminals {
    fn new(page: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plugins = folder.path().join("target/plugins");
        fs::create_dir_all(&plugins).unwrap();
        fs::copy(root().join("config.toml"), folder.path().join("config.toml")).unwrap();
        copy_all(&root().join("deploy/prometheus"), &folder.path().join("deploy/prometheus"));
        // The plugins of the guides are generated here; the README uses the real ones, if they are
        // built.
        let components = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("plugins");
        let readme = page == "README.md";
        let built = readme && copy_components(&components, &plugins) > 0;
        if !readme {
            stand_ins(&plugins);
        }
        let ports = free_ports();
        let page = page.to_owned();
        let (first, printed) = (None, String::new());
        Self { page, line: 0, folder, ports, built, really: false, first, printed }
    }

    /// The two terminals of a reader who has cloned the repository.
    fn in_a_copy_of_the_repository(page: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root())
            .output()
            .expect("expected git, which lists the files of the repository");
        assert!(listed.status.success(), "expected a clone of the repository");
        for file in String::from_utf8(listed.stdout).unwrap().split_terminator('\0') {
            let (from, to) = (root().join(file), folder.path().join(file));
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            // A file that is deleted, and not yet committed, is listed.
            if from.exists() {
                fs::copy(from, to).unwrap();
            }
        }
        // Kept between runs: most of it stays the same. Each page has its own: what builds the plugins removes
        // those that its repository does not have.
        let name = Path::new(page).file_stem().unwrap();
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guides").join(name);
        fs::create_dir_all(&target).unwrap();
        std::os::unix::fs::symlink(target, folder.path().join("target")).unwrap();
        let (page, ports) = (page.to_owned(), free_ports());
        let (first, printed) = (None, String::new());
        Self { page, line: 0, folder, ports, built: true, really: true, first, printed }
    }

    /// Runs all blocks of the page.
    fn run_all(mut self) {
        let text = fs::read_to_string(root().join(&self.page)).unwrap();
        let blocks = blocks(&text);
        let mut before: Option<&Block> = None;
        for block in &blocks {
            self.line = block.line;
            if block.is("sh") {
                self.sh(block);
            } else if block.is("text") && block.has("built") && !self.built {
                self.first_prints("serving …\n");
            } else if block.is("text") && block.has("background") {
                self.first_prints(&block.text);
            } else if block.is("text") {
                match before.filter(|before| before.is("sh") && before.runs(self.really)) {
                    Some(before) if before.has("background") => self.first_prints(&block.text),
                    Some(_) => self.second_printed(&block.text),
                    None => {}
                }
            } else if block.is("toml") && !block.has("manifest") {
                let loaded = Config::builder().text(&block.text, &self.page).load();
                assert!(loaded.is_ok(), "{}: {}", self.place(), loaded.unwrap_err());
            }
            before = Some(block);
        }
        self.end_first();
    }

    fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }

    fn sh(&mut self, block: &Block) {
        assert!(
            !block.has("no-run") || block.comment.contains("not run: "),
            "{}: expected `<!-- not run: why -->` before the block",
            self.place()
        );
        if !block.runs(self.really) {
            return;
        }
        let mut commands = block.commands(self.really).to_owned();
        if self.really {
            if let Some(target) = block.directive("needs")
                && !has_target(target)
            {
                eprintln!("{}: skipped: the compiler lacks the target {target}", self.place());
                return;
            }
            if let Some(folder) = block.directive("within") {
                commands = format!("cd {folder}\n{commands}");
            }
        }
        let output = self.folder.path().join(format!(".output-{}", self.line));
        if block.has("background") {
            self.end_first();
        }
        let child = self.start(&commands, &output);
        if block.has("background") {
            self.first = Some(First { child, output, shown: 0 });
            return;
        }
        let status = self.wait(child, &output);
        self.printed = self.read(&output);
        assert_eq!(
            status.success(),
            !block.has("fails"),
            "{}: {status}\n{}{}",
            self.place(),
            self.printed,
            self.first_output()
        );
    }

    fn start(&self, commands: &str, output: &Path) -> Child {
        let [data, admin, directory, dns] = self.addresses();
        let commands = commands.replace(DATA, &data).replace(ADMIN, &admin);
        let commands = commands.replace(DIRECTORY, &directory).replace(DNS, &dns);
        let commands = commands.replace(DIG, &format!("@{}", dns.replace(':', " -p ")));
        let file = File::create(output).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_plugbay"));
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", program.parent().unwrap().display());
        let mut command = Command::new("bash");
        // A process group, as in a terminal: ctrl-c reaches all of it.
        command.args(["-e", "-u", "-o", "pipefail", "-c", &commands]);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PLUGBAY_") {
                command.env_remove(name);
            }
        }
        command
            .process_group(0)
            .current_dir(&self.folder)
            .env("PATH", path)
            .env("NO_COLOR", "1")
            // The repository of the reader has its own.
            .env_remove("CARGO_TARGET_DIR")
            .env("PLUGBAY_SERVER_LISTEN", data)
            .env("PLUGBAY_ADMIN_LISTEN", admin)
            .env("PLUGBAY_DIRECTORY", format!("http://{directory}"))
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        command.spawn().expect("expected bash to run the guides")
    }

    fn wait(&self, mut child: Child, output: &Path) -> ExitStatus {
        let timeout = if self.really { BUILD_TIMEOUT } else { TIMEOUT };
        let end = Instant::now() + timeout;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            if Instant::now() > end {
                let _ = child.kill();
                panic!("{}: not done within {timeout:?}\n{}", self.place(), self.read(output));
            }
            pause();
        }
    }

    /// The output, with the addresses that the page shows.
    fn read(&self, output: &Path) -> String {
        let text = String::from_utf8_lossy(&fs::read(output).unwrap()).into_owned();
        let [data, admin, directory, dns] = self.addresses();
        let text = text.replace(&data, DATA).replace(&admin, ADMIN);
        let text = text.replace(&directory, DIRECTORY).replace(&dns, DNS);
        // A reader does not set these variables.
        text.replace(", PLUGBAY_ADMIN_LISTEN, PLUGBAY_SERVER_LISTEN", "")
    }

    fn addresses(&self) -> [String; 4] {
        self.ports.map(|port| format!("127.0.0.1:{port}"))
    }

    fn second_printed(&self, expected: &str) {
        let (expected, found) = (lines(expected), lines(&self.printed));
        assert!(
            matches(&expected, &found),
            "{}: expected\n{}\nfound\n{}{}",
            self.place(),
            expected.join("\n"),
            found.join("\n"),
            self.first_output()
        );
    }

    /// Waits until the first terminal prints this, after the output that was shown already.
    fn first_prints(&mut self, expected: &str) {
        let place = self.place();
        let output = self.first.as_ref().map(|first| first.output.clone());
        let output = output.unwrap_or_else(|| panic!("{place}: no first terminal"));
        let expected = lines(expected);
        let serves = self.first.as_ref().is_some_and(|first| first.shown > 0);
        let end = Instant::now() + if serves { SOON } else { TIMEOUT };
        loop {
            let said = self.read(&output);
            let found = lines(&said);
            let first = self.first.as_mut().unwrap();
            for from in first.shown..=found.len() {
                for to in from..=found.len() {
                    if matches(&expected, &found[from..to]) {
                        first.shown = to;
                        return;
                    }
                }
            }
            let over = first.child.try_wait().unwrap().is_some() || Instant::now() > end;
            assert!(!over, "{place}: expected\n{}{}", expected.join("\n"), self.first_output());
            pause();
        }
    }

    fn first_output(&self) -> String {
        let said = self.first.as_ref().map(|first| self.read(&first.output));
        said.map(|said| format!("\nthe first terminal printed\n{said}")).unwrap_or_default()
    }

    /// Sends ctrl-c to the first terminal, which must end successfully.
    fn end_first(&mut self) {
        let Some(first) = &self.first else { return };
        let ctrl_c = format!("kill -s INT -- -{}", first.child.id());
        let ended = Command::new("bash").args(["-c", &ctrl_c]).status();
        assert!(
            ended.is_ok_and(|it| it.success()),
            "{}: the first terminal ended{}",
            self.place(),
            self.first_output()
        );
        let said = self.first_output();
        let First { child, output, .. } = self.first.take().unwrap();
        let group = child.id();
        let status = self.wait(child, &output);
        assert!(status.success(), "{}: {status}{said}", self.place());
        // A process that replaced the first one ends a moment later.
        let is_there = format!("kill -s 0 -- -{group} 2> /dev/null");
        let end = Instant::now() + SOON;
        while Command::new("bash").args(["-c", &is_there]).status().unwrap().success() {
            assert!(Instant::now() < end, "{}: not ended within {SOON:?}", self.place());
            pause();
        }
    }
}

impl Drop for Terminals {
    fn drop(&mut self) {
        if let Some(First { mut child, .. }) = self.first.take() {
            let _ = Command::new("bash")
                .args(["-c", &format!("kill -s KILL -- -{}", child.id())])
                .status();
            let _ = child.wait();
        }
    }
}

/// Whether the compiler has the standard library of this target.
fn has_target(target: &str) -> bool {
    let found =
        Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    found.is_ok_and(|found| {
        let folder = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        found.status.success() && Path::new(&folder).is_dir()
    })
}

#[expect(clippy::disallowed_methods, reason = "a poll with a deadline pauses between two checks")]
fn pause() {
    std::thread::sleep(PAUSE);
}

fn lines(text: &str) -> Vec<&str> {
    text.trim_end().lines().map(str::trim_end).collect()
}

/// Whether `found` matches `expected`, in which a line `…` matches any number of lines.
fn matches(expected: &[&str], found: &[&str]) -> bool {
    match expected {
        [] => found.is_empty(),
        ["…", rest @ ..] => (0..=found.len()).any(|skip| matches(rest, &found[skip..])),
        [line, rest @ ..] => match found {
            [first, others @ ..] => line_matches(line, first) && matches(rest, others),
            [] => false,
        },
    }
}

/// Whether a line matches a pattern, in which `…` matches anything.
fn line_matches(pattern: &str, line: &str) -> bool {
    match pattern.split_once('…') {
        None => pattern == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|tail| {
            tail.char_indices()
                .map(|(at, _)| at)
                .chain([tail.len()])
                .any(|at| line_matches(rest, &tail[at..]))
        }),
    }
}

#[test]
fn an_ellipsis_matches_anything() {
    assert!(line_matches("loaded in … ms", "loaded in 12 ms") && line_matches("a…", "a"));
    assert!(!line_matches("loaded in … ms", "loaded in 12 s"));
    assert!(matches(&["a", "…", "d"], &["a", "b", "c", "d"]) && matches(&["…"], &[]));
    assert!(!matches(&["a"], &["a", "b"]) && !matches(&["…", "b"], &["a"]));
}

#[test]
fn blocks_keep_their_comments() {
    let page = "<!-- not run: it\nbuilds. instead: true within: a -->\n\n```sh no-run\nmake\n```\ntext\n```text\na\n```\n";
    let found = blocks(page);
    assert!(found[0].has("no-run") && found[0].comment.contains("not run: it builds."));
    assert_eq!((found[0].commands(false), found[0].commands(true)), ("true", "make\n"));
    assert_eq!((found[0].directive("within"), found[0].directive("needs")), (Some("a"), None));
    assert!(found[1].is("text") && found[1].comment.is_empty());
}

/// A port below the range from which the system chooses ports for other tests.
/// Those of the data plane, of the admin plane, of the directory and of its zone.
fn free_ports() -> [u16; 4] {
    [0, 1, 100, 101].map(free_port)
}

fn free_port(which: u16) -> u16 {
    let process = u16::try_from(std::process::id() % 8_000).unwrap();
    let page = std::thread::current().name().map_or(0, |name| name.len() % 10);
    let from = 12_000 + process * 2 + u16::try_from(page).unwrap() * 200 + which;
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..100).map(|step| from + step * 2).find(free).expect("a free port")
}

/// Copies the components that `cargo xtask plugins` built; returns their number.
fn copy_components(from: &Path, to: &Path) -> usize {
    let Ok(entries) = fs::read_dir(from) else { return 0 };
    let files = entries.map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|it| it.extension().is_some_and(|it| it == "wasm")).collect();
    for file in &files {
        fs::copy(file, to.join(file.file_name().unwrap())).unwrap();
    }
    files.len()
}

/// Copies the files of a folder.
fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let file = entry.unwrap().path();
        fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

/// Writes components that answer like the plugins of the guides, without a build.
fn stand_ins(plugins: &Path) {
    let schema = r#"{"type":"object","properties":{"greeting":{"type":"string"}},"additionalProperties":false}"#;
    let hello =
        Guest::handler("hello").route("GET", "/hello").route("GET", "/hello/{name}").schema(schema);
    let first = hello.clone().version("0.1.0").stamp("Good morning, Ada!");
    let second = hello.version("0.2.0").stamp("Good morning, dear Ada!");
    fs::write(plugins.join("hello.wasm"), first.build()).unwrap();
    let others = plugins.with_file_name("stand-ins");
    fs::create_dir(&others).unwrap();
    fs::write(others.join("hello-2.wasm"), second.build()).unwrap();
    let lines = Guest::codec("lines").media_type("text/plain").version("0.1.0");
    fs::write(others.join("lines.wasm"), lines.build()).unwrap();
}
