//! The rooms of `host/src`, and the imports between them that are allowed.
//!
//! ```text
//! config ← report ← set ← {change, call} ← control ← host
//! ```

use super::tree::Import;
use crate::tidy::Violation;

const HOST_SRC: &str = "host/src/";

/// The rooms: folders of `host/src`, and files beside them, each with the rooms that it may import.
const ROOMS: [(&str, &[&str]); 7] = [
    ("error", &[]),
    ("config", &["error"]),
    ("report", &["error", "config"]),
    ("set", &["error", "config", "report"]),
    ("change", &["error", "config", "report", "set"]),
    ("call", &["error", "config", "report", "set"]),
    ("control", &["error", "config", "report", "set", "change", "call"]),
];
/// Files and folders that may import all rooms.
const TOP: [&str; 6] = ["builder", "conformance", "host", "lib", "metrics", "status"];

pub(super) fn check(imports: &[Import]) -> Vec<Violation> {
    imports.iter().filter_map(problem).collect()
}

fn problem(import: &Import) -> Option<Violation> {
    let (from, to) = (room(&import.from)?, room(&import.to)?);
    if from == to || TOP.contains(&from) {
        return None;
    }
    let Some((_, known)) = ROOMS.iter().find(|(room, _)| *room == from) else {
        let message = format!(
            "expected {from} in ROOMS of xtask/src/tidy/imports/rooms.rs, found none: add a line for it"
        );
        return Some(Violation::new(&import.from, 1, message));
    };
    (!known.contains(&to)).then(|| {
        let Import { path, to: file, .. } = import;
        let message =
            format!("expected {from} to import only {}, found {path} of {file}", known.join(", "));
        Violation::new(&import.from, import.line, message)
    })
}

/// The room of a file: its folder in `host/src`, or its own name if it is beside the folders.
fn room(path: &str) -> Option<&str> {
    let path = path.strip_prefix(HOST_SRC)?;
    Some(path.split_once('/').map_or(path.trim_end_matches(".rs"), |(folder, _)| folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(from: &str, to: &str) -> Vec<String> {
        let (from, to) = (format!("{HOST_SRC}{from}"), format!("{HOST_SRC}{to}"));
        let import = Import { from, to, line: 3, path: "crate::a::B".to_owned(), to_parent: false };
        check(&[import]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_import_against_the_order_is_found() {
        assert_eq!(
            problems("set/member.rs", "call/leased.rs"),
            ["host/src/set/member.rs:3: expected set to import only error, config, report, \
              found crate::a::B of host/src/call/leased.rs"]
        );
        assert_eq!(
            problems("change/start.rs", "call/leased.rs").len(),
            1,
            "change and call do not import each other"
        );
        assert_eq!(problems("control/stop.rs", "host.rs").len(), 1);
    }

    #[test]
    fn imports_in_the_order_and_within_a_room_are_allowed() {
        assert_eq!(problems("call/leased.rs", "set/member.rs"), [""; 0]);
        assert_eq!(problems("set/member.rs", "set/running.rs"), [""; 0]);
        assert_eq!(problems("host.rs", "builder.rs"), [""; 0]);
    }

    #[test]
    fn a_new_folder_needs_a_line_in_rooms() {
        assert_eq!(problems("attic/a.rs", "set/b.rs").len(), 1);
        assert_eq!(problems("set/b.rs", "attic/a.rs").len(), 1);
    }
}
