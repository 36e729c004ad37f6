//! Splits Rust text into the tokens of paths, each with its line.

use crate::tidy::scan::{Keep, blank};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// An identifier or a keyword.
    Word(String),
    /// `::`
    Separator,
    /// Any other character except white space.
    Sign(char),
}

/// The tokens of a file, without comments and literals.
#[derive(Debug)]
pub(super) struct Tokens(Vec<(Token, usize)>);

impl Tokens {
    pub(super) fn of(text: &str) -> Self {
        let code = blank(text, Keep::Code);
        let mut tokens = Vec::new();
        for (number, line) in code.lines().enumerate() {
            read_line(line, number + 1, &mut tokens);
        }
        Self(tokens)
    }

    pub(super) fn line(&self, at: usize) -> usize {
        self.0.get(at).map_or(0, |(_, line)| *line)
    }

    pub(super) fn word(&self, at: usize) -> Option<&str> {
        match self.0.get(at) {
            Some((Token::Word(word), _)) => Some(word),
            _ => None,
        }
    }

    pub(super) fn is_word(&self, at: usize, wanted: &str) -> bool {
        self.word(at) == Some(wanted)
    }

    pub(super) fn is_sign(&self, at: usize, wanted: char) -> bool {
        matches!(self.0.get(at), Some((Token::Sign(sign), _)) if *sign == wanted)
    }

    pub(super) fn is_separator(&self, at: usize) -> bool {
        matches!(self.0.get(at), Some((Token::Separator, _)))
    }

    pub(super) fn is_end(&self, at: usize) -> bool {
        at >= self.0.len()
    }

    /// The index after the bracket that closes the one at `at`.
    pub(super) fn after_group(&self, at: usize) -> usize {
        let mut depth = 0_usize;
        for (offset, (token, _)) in self.0[at..].iter().enumerate() {
            match token {
                Token::Sign('(' | '[' | '{') => depth += 1,
                Token::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return at + offset + 1;
            }
        }
        self.0.len()
    }
}

fn read_line(line: &str, number: usize, tokens: &mut Vec<(Token, usize)>) {
    let part = |c: char| c == '_' || c.is_alphanumeric();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let length = if part(first) {
            let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
            // The `r#` of a raw identifier is skipped.
            match &rest[..end] {
                "r" if rest[end..].starts_with('#') => end + 1,
                word => {
                    tokens.push((Token::Word(word.to_owned()), number));
                    end
                }
            }
        } else if rest.starts_with("::") {
            tokens.push((Token::Separator, number));
            2
        } else {
            if !first.is_whitespace() {
                tokens.push((Token::Sign(first), number));
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_separators_and_signs_with_their_lines() {
        let tokens = Tokens::of("use a::r#b; // c\n'd \"e\"");
        assert_eq!(tokens.word(0), Some("use"));
        assert!(tokens.is_separator(2) && tokens.is_word(3, "b") && tokens.is_sign(4, ';'));
        assert_eq!((tokens.word(6), tokens.line(6)), (Some("d"), 2));
        assert!(tokens.is_end(7));
    }

    #[test]
    fn a_group_ends_at_its_own_bracket() {
        let tokens = Tokens::of("{ a(b[c]) } d");
        assert!(tokens.is_word(tokens.after_group(0), "d"));
    }
}
