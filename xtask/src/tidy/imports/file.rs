//! The items that a file declares, and the paths in it.
//!
//! This is not a parser. It reads `mod`, `use`, names of items, and paths; it skips everything else,
//! and everything that is compiled only for tests.

use std::collections::BTreeSet;

use super::tokens::Tokens;

/// A path in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// The inline modules around the path, the outermost first.
    pub(super) scope: Vec<String>,
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
}

/// One leaf of a `use`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) path: Path,
    /// The name that it defines; `None` for `*`, where `path` is the module's.
    pub(super) name: Option<String>,
}

/// The items and paths of a file.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) uses: Vec<Use>,
    /// Paths of two segments or more outside `use`.
    pub(super) paths: Vec<Path>,
    /// Names of its items, inline modules included.
    pub(super) items: BTreeSet<String>,
    /// Names of its `macro_rules!` macros.
    pub(super) macros: BTreeSet<String>,
    /// Modules with files of their own that are compiled for tests only.
    pub(super) test_modules: BTreeSet<String>,
    /// The whole file is compiled for tests only.
    pub(super) is_test: bool,
}

/// The keywords that a name of an item follows.
const ITEMS: [&str; 9] =
    ["struct", "enum", "union", "trait", "fn", "const", "static", "type", "mod"];
/// Other keywords with which an item may begin.
const OTHER_ITEMS: [&str; 6] = ["async", "extern", "impl", "macro_rules", "unsafe", "use"];

impl File {
    pub(super) fn of(text: &str) -> Self {
        let tokens = Tokens::of(text);
        let mut reader = Reader { tokens: &tokens, at: 0, depth: 0, scope: Vec::new() };
        let mut file = Self::default();
        while !tokens.is_end(reader.at) && !file.is_test {
            reader.step(&mut file);
        }
        file
    }
}

struct Reader<'a> {
    tokens: &'a Tokens,
    at: usize,
    /// The number of open braces.
    depth: usize,
    /// The inline modules around `at`, each with the depth outside of it.
    scope: Vec<(String, usize)>,
}

impl Reader<'_> {
    fn step(&mut self, file: &mut File) {
        let (tokens, at) = (self.tokens, self.at);
        if tokens.is_sign(at, '#') {
            self.attribute(file);
        } else if tokens.is_sign(at, '{') {
            self.depth += 1;
            self.at += 1;
        } else if tokens.is_sign(at, '}') {
            self.depth = self.depth.saturating_sub(1);
            if self.scope.last().is_some_and(|(_, outside)| *outside == self.depth) {
                self.scope.pop();
            }
            self.at += 1;
        } else if tokens.is_word(at, "use") && !tokens.is_sign(at + 1, '<') {
            self.at += 1;
            self.tree(&[], file);
        } else if tokens.word(at).is_some() {
            self.word(file);
        } else {
            self.at += 1;
        }
    }

    fn attribute(&mut self, file: &mut File) {
        let inner = self.tokens.is_sign(self.at + 1, '!');
        let open = self.at + 1 + usize::from(inner);
        if !self.tokens.is_sign(open, '[') {
            self.at += 1;
            return;
        }
        let end = self.tokens.after_group(open);
        let is_test = self.is_for_tests(open + 1);
        self.at = end;
        if is_test && inner {
            file.is_test |= self.depth == 0;
        } else if is_test {
            self.skip_item(file);
        }
    }

    /// Whether `cfg(test)` begins at `at`, or a `cfg(all(…))` with `test` among the conditions.
    fn is_for_tests(&self, at: usize) -> bool {
        let tokens = self.tokens;
        if !tokens.is_word(at, "cfg") {
            return false;
        }
        if !tokens.is_word(at + 2, "all") {
            return tokens.is_word(at + 2, "test");
        }
        let end = tokens.after_group(at + 3);
        let mut next = at + 4;
        while next < end {
            if tokens.is_word(next, "test") {
                return true;
            }
            next = if tokens.is_sign(next, '(') { tokens.after_group(next) } else { next + 1 };
        }
        false
    }

    /// Skips the item, field or statement after an attribute.
    fn skip_item(&mut self, file: &mut File) {
        let tokens = self.tokens;
        while tokens.is_sign(self.at, '#') && tokens.is_sign(self.at + 1, '[') {
            self.at = tokens.after_group(self.at + 1);
        }
        if tokens.is_word(self.at, "pub") {
            self.at += 1;
            if tokens.is_sign(self.at, '(') {
                self.at = tokens.after_group(self.at);
            }
        }
        if let Some(name) = tokens.word(self.at + 1).filter(|_| tokens.is_word(self.at, "mod")) {
            file.test_modules.insert(name.to_owned());
        }
        let word = tokens.word(self.at).unwrap_or_default();
        let is_item = ITEMS.contains(&word) || OTHER_ITEMS.contains(&word);
        let ends_with_brace = is_item && !["use", "const", "static"].contains(&word);
        while !tokens.is_end(self.at) {
            let at = self.at;
            if tokens.is_sign(at, ';') || (!is_item && tokens.is_sign(at, ',')) {
                self.at += 1;
                return;
            }
            if [')', ']', '}'].iter().any(|close| tokens.is_sign(at, *close)) {
                // The end of the struct or block around the field or statement.
                return;
            }
            let opens = ['(', '[', '{'].iter().any(|open| tokens.is_sign(at, *open));
            self.at = if opens { tokens.after_group(at) } else { at + 1 };
            if ends_with_brace && tokens.is_sign(at, '{') {
                return;
            }
        }
    }

    /// Reads one tree of a `use`.
    fn tree(&mut self, prefix: &[String], file: &mut File) {
        let tokens = self.tokens;
        let mut segments = prefix.to_vec();
        let line = tokens.line(self.at);
        // A path with a leading `::` is of another crate: the segment `::` matches no module.
        if tokens.is_separator(self.at) {
            segments.push("::".to_owned());
            self.at += 1;
        }
        let mut name = None;
        loop {
            if tokens.is_sign(self.at, '{') {
                self.group(&segments, file);
                break;
            }
            if tokens.is_sign(self.at, '*') {
                self.at += 1;
                file.uses.push(Use { path: self.path(segments, line), name: None });
                break;
            }
            let Some(word) = tokens.word(self.at) else { break };
            // `a::{self}` is `a`.
            if word != "self" || segments.is_empty() {
                segments.push(word.to_owned());
            }
            self.at += 1;
            if tokens.is_separator(self.at) {
                self.at += 1;
                continue;
            }
            if tokens.is_word(self.at, "as") {
                name = tokens.word(self.at + 1).map(str::to_owned);
                self.at += 2;
            }
            let name = name.or_else(|| segments.last().cloned());
            file.uses.push(Use { path: self.path(segments, line), name });
            break;
        }
    }

    fn group(&mut self, prefix: &[String], file: &mut File) {
        let end = self.tokens.after_group(self.at);
        self.at += 1;
        while self.at + 1 < end {
            let before = self.at;
            self.tree(prefix, file);
            if self.tokens.is_sign(self.at, ',') || self.at == before {
                self.at += 1;
            }
        }
        self.at = end;
    }

    /// Reads a path, or a keyword that may declare an item.
    fn word(&mut self, file: &mut File) {
        let (tokens, begin) = (self.tokens, self.at);
        let Some(word) = tokens.word(begin) else { return };
        let mut segments = vec![word.to_owned()];
        self.at += 1;
        while tokens.is_separator(self.at) {
            let Some(next) = tokens.word(self.at + 1) else { break };
            segments.push(next.to_owned());
            self.at += 2;
        }
        if segments.len() > 1 {
            let continues =
                begin > 0 && (tokens.is_separator(begin - 1) || tokens.is_sign(begin - 1, '.'));
            if !continues && !self.is_visibility(begin) {
                let path = self.path(segments, tokens.line(begin));
                file.paths.push(path);
            }
        } else if self.depth == self.scope.len() {
            self.declaration(begin, file);
        }
    }

    /// Whether the path at `at` is that of `pub(in …)`.
    fn is_visibility(&self, at: usize) -> bool {
        at >= 3
            && self.tokens.is_word(at - 1, "in")
            && self.tokens.is_sign(at - 2, '(')
            && self.tokens.is_word(at - 3, "pub")
    }

    fn declaration(&mut self, at: usize, file: &mut File) {
        let tokens = self.tokens;
        if tokens.is_word(at, "macro_rules") && tokens.is_sign(at + 1, '!') {
            file.macros.extend(tokens.word(at + 2).map(str::to_owned));
            return;
        }
        let Some(name) = tokens.word(at + 1) else { return };
        let is_item = tokens.word(at).is_some_and(|word| ITEMS.contains(&word));
        if is_item && !ITEMS.contains(&name) {
            let opens_module = tokens.is_word(at, "mod") && tokens.is_sign(at + 2, '{');
            let has_file = tokens.is_word(at, "mod") && !opens_module;
            if self.scope.is_empty() && !has_file {
                file.items.insert(name.to_owned());
            }
            if opens_module {
                self.scope.push((name.to_owned(), self.depth));
            }
            self.at = at + 2;
        }
    }

    fn path(&self, segments: Vec<String>, line: usize) -> Path {
        let scope = self.scope.iter().map(|(name, _)| name.clone()).collect();
        Path { scope, segments, line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(text: &str) -> Vec<String> {
        let show = |it: &Use| {
            let path = it.path.segments.join("::");
            format!("{path} as {}", it.name.as_deref().unwrap_or("*"))
        };
        File::of(text).uses.iter().map(show).collect()
    }

    fn paths(text: &str) -> Vec<String> {
        File::of(text).paths.iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn a_use_is_split_into_its_leaves() {
        assert_eq!(
            uses("pub(crate) use crate::a::{self, b::{C, D as E}, f::*};\nuse ::serde::G;"),
            [
                "crate::a as a",
                "crate::a::b::C as C",
                "crate::a::b::D as E",
                "crate::a::f as *",
                "::::serde::G as G",
            ]
        );
    }

    #[test]
    fn paths_within_code_are_found() {
        let text = "fn a() -> crate::b::C { super::d::e::<F>(x.g()); self::h!(i::J) }";
        assert_eq!(paths(text), ["crate::b::C", "super::d::e", "self::h", "i::J"]);
    }

    #[test]
    fn paths_of_visibilities_are_skipped() {
        assert_eq!(paths("pub(in crate::a) struct B(pub(super) c::D);"), ["c::D"]);
    }

    #[test]
    fn code_for_tests_is_skipped() {
        let text = "#[cfg(test)] use a::B;\n#[cfg(all(test, not(loom)))]\n#[path = \"x\"]\nmod tests;\n\
                    struct C { #[cfg(test)] d: e::F, g: h::I }\n\
                    #[cfg(test)]\nmod j { use k::L; fn m() { n::o() } }\n\
                    #[cfg(not(test))] fn p() { q::r() }\n#[cfg(any(test, unix))] fn s() { t::u() }";
        let file = File::of(text);
        assert_eq!(file.uses, []);
        assert_eq!(paths(text), ["h::I", "q::r", "t::u"]);
        assert_eq!(file.test_modules.into_iter().collect::<Vec<_>>(), ["j", "tests"]);
        assert!(File::of("#![cfg(test)]\nuse a::B;").is_test);
    }

    #[test]
    fn items_are_those_of_the_file_itself() {
        let text = "pub struct A;\nimpl A { fn b() {} }\npub(crate) const fn c() {}\nmod d;\n\
                    mod e { pub struct F; }\nmacro_rules! g { () => {} }\nenum H {}";
        let file = File::of(text);
        assert_eq!(file.items.into_iter().collect::<Vec<_>>(), ["A", "H", "c", "e"]);
        assert_eq!(file.macros.into_iter().collect::<Vec<_>>(), ["g"]);
    }

    #[test]
    fn a_path_has_its_inline_modules() {
        let file =
            File::of("mod a { mod b { use super::c::D; } fn e() { f::g() } }\nfn h() { i::j() }");
        assert_eq!(file.uses[0].path.scope, ["a", "b"]);
        let scopes: Vec<usize> = file.paths.iter().map(|path| path.scope.len()).collect();
        assert_eq!(scopes, [1, 0]);
    }
}
