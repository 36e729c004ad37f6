//! What an error says about names: which there are, and which was probably meant.
//!
//! Names in a miss often come from outside (a path segment, a config file), and so
//! does their length. Everything here is bounded, and nothing prints a control
//! character as it is.

use std::fmt;

/// Names printed before the rest is only counted.
const SHOWN: usize = 16;
/// Characters printed of one name.
const WIDTH: usize = 64;
/// Longer names get no suggestion, so that a miss costs little whatever was asked.
const LONGEST: usize = 64;
/// Names that are compared for a suggestion.
const COMPARED: usize = 1_024;

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
        for (at, name) in self.known.iter().take(SHOWN).enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{}", Plain(name))?;
        }
        if let Some(more @ 1..) = self.known.len().checked_sub(SHOWN) {
            write!(f, " and {more} more")?;
        }
        match self.nearest {
            Some(name) => write!(f, "; did you mean \"{}\"?", Plain(name)),
            None => Ok(()),
        }
    }
}

/// The known name that `name` was most likely meant to be, if one is near.
///
/// A third of the letters may be wrong, swapped, missing or too many, and at least
/// one; case counts for little. Of equally near names the first wins.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let wanted = name.to_lowercase();
    let length = wanted.chars().count();
    let allowed = (length / 3).max(1);
    known
        .take(COMPARED)
        .filter(|known| known.len() <= LONGEST)
        .filter_map(|known| {
            let lower = known.to_lowercase();
            // The distance is at least the difference in length: skip what cannot win.
            if lower.chars().count().abs_diff(length) > allowed {
                return None;
            }
            let distance = strsim::osa_distance(&wanted, &lower);
            (distance <= allowed).then_some((distance, known))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(name: &str) -> Option<&'static str> {
        nearest(name, ["cbor", "json", "msgpack", "yaml"].into_iter())
    }

    #[test]
    fn a_typo_finds_the_name_that_was_meant() {
        for typo in ["jsn", "jsno", "jason", "JSON", "jsom"] {
            assert_eq!(near(typo), Some("json"), "{typo}");
        }
        assert_eq!(near("mesgpak"), Some("msgpack"));
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
