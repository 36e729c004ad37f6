//! Follows the hints: each command that a text of the program names parses, and each key is known.
//!
//! The texts are the string literals of the source files. Tests beside the code do what single hints say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use plugbay::config::ProblemKind;
use plugbay::trace::attributes;
use plugbay::{Config, Grant};

use super::command::Cli;

/// The folders whose texts users see.
const FOLDERS: [&str; 7] = [
    "host/src",
    "host/crates/core/src",
    "host/crates/guard/src",
    "host/crates/native/src",
    "host/crates/server/src",
    "host/crates/wasm/src",
    "plugin-sdk/src",
];

/// The limits that notices and problems name without their section.
const LIMITS: [&str; 6] = ["cpu", "files", "host_calls", "logs", "memory", "output"];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.."))
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|it| it == "rs") {
            into.push(path);
        }
    }
}

/// The string literals of the product's code: not of tests, and no comments.
fn texts() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        sources(&root().join(folder), &mut files);
    }
    assert!(files.len() > 200, "{}", files.len());
    let is_test = |path: &PathBuf| {
        let test = |part: &str| matches!(part, "tests" | "tests.rs" | "hints.rs" | "bindings.rs");
        path.components().any(|part| part.as_os_str().to_str().is_some_and(test))
    };
    files.retain(|path| !is_test(path));
    let of_file = |path: PathBuf| {
        let code = fs::read_to_string(&path).unwrap();
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
        literals(&code).into_iter().map(move |text| (path.clone(), text))
    };
    files.into_iter().flat_map(of_file).collect()
}

/// The string literals of Rust code, unescaped.
fn literals(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let before = &rest[..at];
        let here = &rest[at..];
        rest = if here.starts_with("//") {
            here.split_once('\n').map_or("", |(_, after)| after)
        } else if let Some(after) = here.strip_prefix("'\"'").or(here.strip_prefix("'\\\"'")) {
            after
        } else if !here.starts_with('"') {
            &here[1..]
        } else if before.ends_with('r') || before.ends_with("r#") {
            let end = if before.ends_with('#') { "\"#" } else { "\"" };
            let (text, after) = here[1..].split_once(end).unwrap();
            found.push(text.to_owned());
            after
        } else {
            let (text, after) = literal(&here[1..]);
            found.push(text);
            after
        };
    }
    found
}

/// A literal whose first quote was read, and the code after it.
fn literal(code: &str) -> (String, &str) {
    let mut text = String::new();
    let mut chars = code.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (text, &code[at + 1..]),
            '\\' => match chars.next().unwrap().1 {
                'n' => text.push('\n'),
                // The next line goes on after its indentation.
                '\n' => {
                    let indented = chars.as_str();
                    let skip = indented.len() - indented.trim_start().len();
                    for _ in 0..skip {
                        chars.next();
                    }
                }
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
    panic!("a literal is not closed");
}

/// The command lines of the program in a text: after a backtick, at the beginning of a line, after a pipe
/// or a colon.
fn commands(text: &str) -> Vec<String> {
    let starts = text.match_indices("plugbay ").filter(|(at, _)| {
        let before = text[..*at].trim_end_matches(' ');
        before.is_empty() || before.ends_with(['`', '\n', '|', ':'])
    });
    let command = |at: usize| {
        let line = &text[at..];
        let end =
            ["`", "\n", "  ", " | ", " > ", " < "].iter().filter_map(|it| line.find(it)).min();
        line[..end.unwrap_or(line.len())].trim().to_owned()
    };
    let commands = starts.map(|(at, _)| command(at));
    // `plugbay worker: …` says who prints a line, and `plugbay {version}` which version it is.
    let is_command = |word: &str| !word.ends_with(':') && !word.starts_with('{');
    commands.filter(|it| it.split(' ').nth(1).is_some_and(is_command)).collect()
}

/// The words of a command line. A placeholder of a format string stands for a capability.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for char in command.chars() {
        match char {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words.into_iter().map(|word| filled(&word, "codec:json")).collect()
}

/// The text with its placeholders replaced.
fn filled(text: &str, by: &str) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((_, after)) = after.split_once('}') else { break };
        filled.push_str(before);
        filled.push_str(by);
        rest = after;
    }
    filled + rest
}

#[test]
fn every_command_that_a_text_names_parses() {
    let texts = texts();
    let named = texts
        .iter()
        .flat_map(|(path, text)| commands(text).into_iter().map(move |command| (path, command)));
    let mut count = 0;
    for (path, command) in named {
        let parsed = Cli::try_parse_from(words(&command));
        assert!(parsed.is_ok(), "{}: `{command}`: {}", path.display(), parsed.err().unwrap());
        count += 1;
    }
    assert!(count > 30, "expected the help texts and the hints, found {count} commands");
}

/// The keys in a text: `host.cache`, and `[plugins.x] enabled = …`.
fn keys(text: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let is_key = |char: char| char.is_ascii_lowercase() || char == '_';
    for section in ["host", "server", "admin", "telemetry", "defaults"] {
        for (at, _) in text.match_indices(&format!("{section}.")) {
            let before = text[..at].chars().next_back();
            let key: String =
                text[at + section.len() + 1..].chars().take_while(|&it| is_key(it)).collect();
            let part_of_a_word =
                before.is_some_and(|it| it.is_alphanumeric() || "_./-".contains(it));
            if !part_of_a_word && !key.is_empty() {
                keys.insert(format!("{section}.{key}"));
            }
        }
    }
    for (at, _) in text.match_indices('[') {
        let Some((section, after)) = text[at + 1..].split_once("] ") else { continue };
        let Some((key, _)) = after.split_once(" = ") else { continue };
        let known =
            ["plugins.", "capabilities.", "defaults", "host", "server", "admin", "telemetry"];
        if known.iter().any(|it| section.starts_with(it)) && key.chars().all(is_key) {
            let name = if section.starts_with("capabilities") { "codec:json" } else { "x" };
            keys.insert(format!("{}.{key}", filled(section, name).replace("OTHER", "other")));
        }
    }
    keys
}

fn is_known(key: &str) -> bool {
    match Config::builder().set(key, "x").load() {
        Ok(_) => true,
        Err(error) => error.problems.iter().all(|it| it.kind != ProblemKind::UnknownKey),
    }
}

#[test]
fn every_key_that_a_text_names_is_known() {
    assert!(is_known("host.cache") && !is_known("host.cash") && !is_known("plugins.x.enable"));
    let mut seen = BTreeSet::new();
    for (path, text) in texts() {
        // Attributes of spans have such names, too.
        for key in keys(&text).into_iter().filter(|key| !attributes::ALL.contains(&&**key)) {
            assert!(is_known(&key), "{}: {key} in {text:?}", path.display());
            seen.insert(key);
        }
    }
    for expected in ["host.cache", "plugins.x.enabled", "capabilities.\"codec:json\".strategy"] {
        assert!(seen.contains(expected), "{seen:?}");
    }
    let limits = LIMITS.map(|limit| format!("plugins.x.{limit}"));
    let grants = Grant::ALL.into_iter().flat_map(|grant| grant.keys().split(" or "));
    let grants = grants.map(|key| format!("plugins.x.grants.{key}"));
    for key in limits.into_iter().chain(grants) {
        assert!(is_known(&key), "{key}");
    }
}

#[test]
fn literals_are_found_and_unescaped() {
    let code = "let a = \"one \\\"x\\\"\\\n    two\"; // \"no\"\nlet b = ('\"', r#\"raw \" text\"#, \"\\n\");";
    assert_eq!(literals(code), ["one \"x\"two", "raw \" text", "\n"]);
    assert_eq!(
        commands("see `plugbay up` or\n  plugbay list x   what; a plugbay host"),
        ["plugbay up", "plugbay list x"]
    );
    assert_eq!(
        words("plugbay call {} --header 'a: b'"),
        ["plugbay", "call", "codec:json", "--header", "a: b"]
    );
}
