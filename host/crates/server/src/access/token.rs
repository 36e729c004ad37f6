//! A token: 256 random bits as text. Only its hash is kept.

use std::fmt;
use std::io;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// What every token begins with, so that people and scanners know what was leaked.
const PREFIX: &str = "plugbay_";
/// The random bytes of a token.
const BYTES: usize = 32;

/// A token of the admin plane. Its text is secret, and shown by [`Token::reveal`] only.
pub struct Token(String);

impl Token {
    /// A new token, from the random numbers of the operating system.
    ///
    /// # Errors
    ///
    /// If the system has none.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(format!("{PREFIX}{}", HEXLOWER.encode(&bytes))))
    }

    /// The secret text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// The SHA-256 of a token's text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Reads 64 hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = HEXLOWER.decode(text.to_ascii_lowercase().as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl ConstantTimeEq for TokenHash {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_distinct_and_their_debug_form_is_empty() {
        let [one, other] = [Token::random().unwrap(), Token::random().unwrap()];
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.reveal().len(), PREFIX.len() + 2 * BYTES);
        assert_eq!(format!("{one:?}"), "Token");
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = TokenHash::of("abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        for same in [text, &text.to_uppercase()] {
            assert!(bool::from(TokenHash::parse(same).unwrap().ct_eq(&hash)));
        }
        assert!(!bool::from(TokenHash::of("abd").ct_eq(&hash)));
        for bad in ["", &text[1..], &format!("{text}0"), &text.replace('b', "x"), "ü"] {
            assert!(TokenHash::parse(bad).is_none(), "{bad}");
        }
    }
}
