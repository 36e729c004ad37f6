//! The names in an error message: which are known, and which was probably meant.
//!
//! A name that is not found often comes from outside (a path segment, a config file), and may be
//! long. Everything here is bounded, and no control character is printed unescaped.

use std::fmt;

/// Names printed before the rest is only counted.
const MAX_SHOWN: usize = 16;
/// Characters printed of one name.
const WIDTH: usize = 64;
/// Longer names get no suggestion, so that a miss costs little whatever name was looked up.
const MAX_LENGTH: usize = 64;
/// Names that are compared for a suggestion.
const MAX_COMPARED: usize = 1_024;
/// The least bytes of a name that counts as the beginning of another.
const MIN_PREFIX: usize = 3;

/// Prints a name, shortened and with control characters escaped.
pub(crate) struct Plain<'a>(pub(crate) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, rest) = match self.0.char_indices().nth(WIDTH) {
            Some((end, _)) => self.0.split_at(end),
            None => (self.0, ""),
        };
        write!(f, "{}", shown.escape_debug())?;
        if rest.is_empty() { Ok(()) } else { f.write_str("…") }
    }
}

/// Prints `; known: a, b; did you mean "a"?`, the parts that apply.
pub(crate) struct Hint<'a> {
    pub(crate) known: &'a [String],
    pub(crate) nearest: Option<&'a str>,
}

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("; known: ")?;
        if self.known.is_empty() {
            f.write_str("none")?;
        }
        for (at, name) in self.known.iter().take(MAX_SHOWN).enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{}", Plain(name))?;
        }
        if let Some(more @ 1..) = self.known.len().checked_sub(MAX_SHOWN) {
            write!(f, " and {more} more")?;
        }
        match self.nearest {
            Some(name) => write!(f, "; did you mean \"{}\"?", Plain(name)),
            None => Ok(()),
        }
    }
}

/// The known name that `name` was most likely meant to be, if one is near: the
/// "did you mean" of every error in this workspace.
///
/// Near means that at most a third of the letters are wrong, missing or too many (at
/// least one, at most four; two swapped neighbours are one mistake), or that one name
/// is the beginning of the other. Case does not count, and `-` is `_`. Of equally near
/// names the first wins.
///
/// The cost is bounded whatever `name` is: a name of more than 64 bytes gets no
/// suggestion, and at most 1,024 known names are compared.
///
/// ```
/// use plugbay_registry::nearest;
///
/// assert_eq!(nearest("jsno", ["cbor", "json", "yaml"]), Some("json"));
/// assert_eq!(nearest("max-body", ["listen", "max_body"]), Some("max_body"));
/// assert_eq!(nearest("time", ["listen", "timeout"]), Some("timeout"));
/// assert_eq!(nearest("toml", ["cbor", "json", "yaml"]), None);
/// ```
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.is_empty() || name.len() > MAX_LENGTH {
        return None;
    }
    let wanted = fold(name);
    known
        .into_iter()
        .take(MAX_COMPARED)
        .filter(|known| known.len() <= MAX_LENGTH)
        .filter_map(|known| Some((distance(&wanted, &fold(known))?, known)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// The edit distance of two folded names; `None` if they are too different.
fn distance(wanted: &str, known: &str) -> Option<usize> {
    let lengths = (wanted.chars().count(), known.chars().count());
    let allowed = (lengths.0.max(lengths.1) / 3).clamp(1, 4);
    let begins = wanted.len().min(known.len()) >= MIN_PREFIX
        && (known.starts_with(wanted) || wanted.starts_with(known));
    let apart = lengths.0.abs_diff(lengths.1);
    if begins {
        // The names differ in the missing part only.
        return Some(apart);
    }
    // The distance is at least the difference in length: skip what cannot be near.
    if apart > allowed {
        return None;
    }
    Some(strsim::osa_distance(wanted, known)).filter(|distance| *distance <= allowed)
}

fn fold(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(name: &str) -> Option<&'static str> {
        nearest(name, ["cbor", "json", "msgpack", "yaml"])
    }

    #[test]
    fn a_typo_finds_the_name_that_was_meant() {
        for typo in ["jsn", "jsno", "jason", "JSON", "jsom"] {
            assert_eq!(near(typo), Some("json"), "{typo}");
        }
        assert_eq!(near("mesgpak"), Some("msgpack"));
    }

    #[test]
    fn the_beginning_of_a_name_finds_it_and_so_does_one_that_goes_on() {
        assert_eq!(near("msg"), Some("msgpack"));
        assert_eq!(near("json-lines"), Some("json"));
        assert_eq!(near("ms"), None);
    }

    #[test]
    fn case_and_hyphens_do_not_count() {
        assert_eq!(nearest("Max-Body", ["max_bode", "max_body"]), Some("max_body"));
    }

    #[test]
    fn the_first_of_equally_near_names_wins() {
        assert_eq!(nearest("jsxn", ["json", "jsan"]), Some("json"));
    }

    #[test]
    fn a_different_word_finds_nothing() {
        for word in ["", "x", "toml", "protobuf", &"j".repeat(10_000)] {
            assert_eq!(near(word), None, "{word}");
        }
    }

    #[test]
    fn many_names_are_counted_not_printed() {
        let known: Vec<_> = (0..400).map(|n| format!("name-{n:03}")).collect();
        let hint = Hint { known: &known, nearest: None }.to_string();
        assert!(hint.ends_with("name-015 and 384 more"), "{hint}");
        assert!(hint.len() < 400, "{hint}");
    }

    #[test]
    fn long_and_hostile_names_are_tamed() {
        assert_eq!(Plain("a\nb\u{1b}[31m").to_string(), r"a\nb\u{1b}[31m");
        assert_eq!(Plain(&"é".repeat(100)).to_string(), "é".repeat(WIDTH) + "…");
    }
}
