//! The targets of relative links in documents exist.

use std::path::Path;

use super::{Source, Violation};

pub(crate) fn check(root: &Path, sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| source.has_extension("md")) {
        let folder = Path::new(&source.path).parent().unwrap_or(Path::new(""));
        for (line, target) in relative_links(&source.text) {
            let base = if target.starts_with('/') { root.to_owned() } else { root.join(folder) };
            if !base.join(target.trim_start_matches('/')).exists() {
                violations.push(Violation::new(
                    &source.path,
                    line,
                    format!("expected the target of a link to exist, found none at {target}"),
                ));
            }
        }
    }
    violations
}

/// Targets of `[text](target)` and `[name]: target` outside code, without their anchors.
fn relative_links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    let mut fence = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fence = !fence;
        }
        if fence {
            continue;
        }
        // Every second part is between backticks, and so code.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let inline = prose
            .match_indices("](")
            .filter_map(|(at, _)| prose[at + 2..].split([')', ' ']).next());
        let named = prose
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "))
            .map(|(_, target)| target.trim());
        for target in inline.chain(named) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") && !path.starts_with("mailto:") {
                links.push((number + 1, path.to_owned()));
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relative_links_in_prose_are_checked() {
        let text = "[a](b.md#c) [d](https://e) `[f](g)` [h](#i)\n```\n[j](k)\n```\n[l]: m/n.md\n";
        assert_eq!(relative_links(text), [(1, "b.md".to_owned()), (5, "m/n.md".to_owned())]);
    }

    #[test]
    fn a_link_is_relative_to_the_folder_of_its_document() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("docs")).unwrap();
        std::fs::write(folder.path().join("docs/a.md"), "").unwrap();
        let sources =
            [Source::of("docs/b.md", "[a](a.md)\n[c](c.md)"), Source::of("e.md", "[f](docs/a.md)")];
        let violations = check(folder.path(), &sources);
        assert_eq!(
            violations,
            [Violation::new(
                "docs/b.md",
                2,
                "expected the target of a link to exist, found none at c.md"
            )]
        );
    }
}
