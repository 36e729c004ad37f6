//! Source files have no marks of unfinished code.

use super::scan::{Keep, blank, word};
use super::{Source, Violation};

/// Words that are marks in comments and in code.
const ANYWHERE: [&str; 2] = ["TODO", "FIXME"];
/// Macros that are marks.
const MACROS: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources {
        let (prose, code) = if source.is_rust() {
            (blank(&source.text, Keep::CodeAndComments), blank(&source.text, Keep::Code))
        } else if ["toml", "wit", "sh"].iter().any(|wanted| source.has_extension(wanted)) {
            (source.text.clone(), String::new())
        } else {
            continue;
        };
        for (text, words) in [(&prose, &ANYWHERE[..]), (&code, &MACROS[..])] {
            for wanted in words {
                let lines = word(text, wanted);
                violations.extend(lines.into_iter().map(|line| {
                    Violation::new(&source.path, line, format!("expected no {wanted}, found one"))
                }));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_strings_do_not_count() {
        let text = "// TODO: a\nlet b = \"TODO\";\ntodo!(\"c\");\n// the dbg! macro\n";
        let lines: Vec<usize> = check(&[Source::of("a.rs", text)]).iter().map(|v| v.line).collect();
        assert_eq!(lines, [1, 3]);
    }
}
