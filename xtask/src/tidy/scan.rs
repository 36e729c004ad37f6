//! Replaces the parts of Rust text that are not code by blanks; lines stay where they are.

/// The parts of the text that stay.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Code only.
    Code,
    /// Code and comments, but no strings.
    CodeAndComments,
}

/// Replaces comments (unless kept) and string and character literals by blanks. Newlines stay, so that
/// line numbers do not change.
pub(crate) fn blank(text: &str, keep: Keep) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let (end, kept) = token(&chars, at);
        for &c in &chars[at..end] {
            let show = match kept {
                Kind::Code => true,
                Kind::Comment => keep == Keep::CodeAndComments,
                Kind::Literal => false,
            };
            out.push(if show || c == '\n' { c } else { ' ' });
        }
        at = end;
    }
    out
}

#[derive(Clone, Copy)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// The end and the kind of the token that begins at `at`.
fn token(chars: &[char], at: usize) -> (usize, Kind) {
    let next = |offset: usize| chars.get(at + offset).copied();
    match chars[at] {
        '/' if next(1) == Some('/') => (find(chars, at, |c| c == '\n'), Kind::Comment),
        '/' if next(1) == Some('*') => (block_comment(chars, at), Kind::Comment),
        '"' => (quoted(chars, at + 1), Kind::Literal),
        '\'' if next(1) == Some('\\') => {
            // The escaped character may itself be a quote.
            ((find(chars, at + 3, |c| c == '\'') + 1).min(chars.len()), Kind::Literal)
        }
        '\'' if next(2) == Some('\'') => (at + 3, Kind::Literal),
        c if c == '_' || c.is_alphanumeric() => {
            let end = find(chars, at, |c| c != '_' && !c.is_alphanumeric());
            let word: String = chars[at..end].iter().collect();
            match raw_string(chars, end).filter(|_| matches!(word.as_str(), "r" | "br" | "cr")) {
                Some(end) => (end, Kind::Literal),
                None => (end, Kind::Code),
            }
        }
        _ => (at + 1, Kind::Code),
    }
}

fn find(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|&at| wanted(chars[at])).unwrap_or(chars.len())
}

fn block_comment(chars: &[char], from: usize) -> usize {
    let mut depth = 0;
    let mut at = from;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn quoted(chars: &[char], from: usize) -> usize {
    let mut at = from;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// The end of a raw string whose hashes begin at `from`; `None` if no quote follows them.
fn raw_string(chars: &[char], from: usize) -> Option<usize> {
    let quote = find(chars, from, |c| c != '#');
    if chars.get(quote) != Some(&'"') {
        return None;
    }
    let hashes = quote - from;
    let closes =
        |at: usize| chars[at] == '"' && (1..=hashes).all(|n| chars.get(at + n) == Some(&'#'));
    let end = (quote + 1..chars.len()).find(|&at| closes(at));
    Some(end.map_or(chars.len(), |at| at + 1 + hashes))
}

/// Whether one of the first lines says that the text is generated.
pub(crate) fn is_generated(text: &str) -> bool {
    text.lines().take(5).any(|line| {
        let line = line.to_lowercase();
        line.starts_with("//") && line.contains("generated")
    })
}

/// The numbers of the lines, from one, that have `word` as a whole word.
pub(crate) fn word(text: &str, word: &str) -> Vec<usize> {
    let part = |c: char| c == '_' || c.is_alphanumeric();
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices(word) {
            let before = line[..at].chars().next_back().is_some_and(part);
            let after = line[at + word.len()..].chars().next().is_some_and(part);
            if !before && !after {
                lines.push(number + 1);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_is_left() {
        let text = "let a = \"x // y\"; // z\nlet b = 'c'; /* d /* e */ f */ let g: &'static str = r#\"h\"i\"#;\n";
        let code = blank(text, Keep::Code);
        assert_eq!(code.lines().count(), 2);
        let words: Vec<&str> = code.split_whitespace().collect();
        assert_eq!(words.join(" "), "let a = ; let b = ; let g: &'static str = ;");
    }

    #[test]
    fn escaped_quotes_do_not_end_a_literal() {
        assert_eq!(blank(r#"a("\"b", '\'', '"') c"#, Keep::Code).replace(' ', ""), "a(,,)c");
    }

    #[test]
    fn comments_can_be_kept() {
        let text = blank("a // b \"c\"\n\"d\"", Keep::CodeAndComments);
        assert_eq!(text, "a // b \"c\"\n   ");
    }

    #[test]
    fn only_whole_words_are_found() {
        assert_eq!(word("safe\nunsafe_op safe(x)\nsafe safe", "safe"), [1, 2, 3, 3]);
    }
}
