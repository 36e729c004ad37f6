//! `docs/logs.md` lists the fields of the log: those that the code writes, and no others.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What each line has, and what a reader that is too slow misses.
const OF_EVERY_LINE: [&str; 5] = ["timestamp", "level", "target", "message", "lost"];

#[test]
fn the_reference_of_the_fields_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let mut written: BTreeSet<String> = OF_EVERY_LINE.map(str::to_owned).into();
    visit(&root.join("host/src"), &mut written);
    for entry in fs::read_dir(root.join("host/crates")).unwrap() {
        visit(&entry.unwrap().path().join("src"), &mut written);
    }
    assert!(written.contains("duration_us") && written.contains("fields"), "{written:?}");
    let page = fs::read_to_string(root.join("docs/logs.md")).unwrap();
    let (_, table) = page.split_once("| name | type | meaning |").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let listed: BTreeSet<String> = rows.map(|(name, _)| name.to_owned()).collect();
    let missing: Vec<_> = written.difference(&listed).collect();
    let stale: Vec<_> = listed.difference(&written).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "docs/logs.md: add {missing:?}, remove {stale:?}"
    );
}

/// The parts of the program that write lines of their own kind are listed as well.
#[test]
fn the_reference_of_the_targets_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let mut written = BTreeSet::new();
    targets(&root.join("host/src"), &mut written);
    for entry in fs::read_dir(root.join("host/crates")).unwrap() {
        targets(&entry.unwrap().path().join("src"), &mut written);
    }
    let page = fs::read_to_string(root.join("docs/logs.md")).unwrap();
    let (_, table) = page.split_once("| target | whose lines |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    // Lines without a target of their own have the module that writes them.
    let listed: BTreeSet<String> =
        rows.map(|(name, _)| name.to_owned()).filter(|name| !name.ends_with('…')).collect();
    assert_eq!(listed, written, "docs/logs.md");
}

/// Adds the targets that the files of this folder name.
fn targets(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            targets(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let named = lines.filter_map(|line| line.split_once("target: \"")?.1.split_once('"'));
            found.extend(named.map(|(target, _)| target.to_owned()));
        }
    }
}

/// Adds the names of the fields of all events and spans in the files of this folder.
fn visit(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, names);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code: String = lines.flat_map(|line| [line, "\n"]).collect();
            for (begin, _) in code.match_indices("tracing::") {
                let call = code[begin..].split_once("!(").filter(|(name, _)| {
                    name["tracing::".len()..]
                        .bytes()
                        .all(|it| it.is_ascii_lowercase() || it == b'_')
                });
                if let Some((_, rest)) = call {
                    names.extend(arguments(rest).iter().filter_map(|it| field(it)));
                }
            }
        }
    }
}

/// The arguments of a macro, from the text after its opening parenthesis.
fn arguments(text: &str) -> Vec<String> {
    let (mut all, mut current) = (Vec::new(), String::new());
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for letter in text.chars() {
        match letter {
            _ if quoted => {
                quoted = letter != '"' || escaped;
                escaped = letter == '\\' && !escaped;
            }
            '"' => quoted = true,
            ')' if depth == 0 => break,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                all.push(std::mem::take(&mut current));
                continue;
            }
            _ => {}
        }
        current.push(letter);
    }
    all.push(current);
    all
}

/// The field that an argument sets: `name = value`, `name`, `?name` or `%name`.
fn field(argument: &str) -> Option<String> {
    let name = argument.trim().trim_start_matches(['?', '%']);
    let name = name.split_once(" =").map_or(name, |(name, _)| name);
    let is_name = !name.is_empty() && name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
    is_name.then(|| name.to_owned())
}
