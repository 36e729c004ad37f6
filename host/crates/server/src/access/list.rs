//! A file of tokens: a line `NAME ROLE SHA256` for each, blank lines, and comments that begin with `#`. What a role is
//! depends on what the tokens are for: the admin plane has [`Role`](super::Role), the directory its grants.
//!
//! No message repeats a part of a line but its name and role, because somebody may have pasted a token.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use super::caller::{Caller, Permission, Role};
use super::token::TokenHash;
use crate::problem::shortened;

/// The largest file, in bytes.
const MAX_FILE: u64 = 256 << 10;
/// The most tokens: each request is compared with all of them.
const MAX_TOKENS: usize = 1024;
/// The longest name, in bytes.
const MAX_NAME: usize = 64;

/// Why a file of tokens is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokensError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Others may write to it, and so make tokens.
    #[error("expected a file that only its owner may write, found mode {mode:04o} of {}", path.display())]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is too large.
    #[error("expected a file of at most {MAX_FILE} bytes, found a larger one: {}", path.display())]
    Large {
        /// The file.
        path: PathBuf,
    },
    /// One of its lines is wrong.
    #[error("{}:{line}: expected {expected}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// What should be there, and what is.
        expected: String,
    },
}

impl TokensError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Read { path, source } if source.kind() == io::ErrorKind::NotFound => format!(
                "make a token: plugbay token new NAME --role operator --file {}",
                path.display()
            ),
            Self::Read { .. } => "let the host's user read it".into(),
            Self::Writable { path, .. } => format!("chmod go-w {}", path.display()),
            Self::Large { .. } | Self::Line { .. } => {
                "a line is NAME ROLE SHA256; `plugbay token new NAME --role viewer` writes one"
                    .into()
            }
        }
    }
}

/// One token.
#[derive(Debug)]
struct Entry<R> {
    caller: Caller<R>,
    hash: TokenHash,
}

/// All tokens.
#[derive(Debug)]
pub(crate) struct TokenList<R = Role>(Vec<Entry<R>>);

impl<R> Default for TokenList<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R: Permission> TokenList<R> {
    /// Reads the file, and returns its bytes too.
    pub(super) fn read(path: &Path) -> Result<(Self, Vec<u8>), TokensError> {
        let bytes = bytes(path)?;
        Ok((Self::parse(path, &bytes)?, bytes))
    }

    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, TokensError> {
        let wrong = |line: usize, expected: String| TokensError::Line {
            path: path.to_owned(),
            line: line + 1,
            expected,
        };
        let mut list = Self::default();
        for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let line = str::from_utf8(line)
                .map_err(|_| wrong(number, "UTF-8, found other bytes".into()))?;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry = parse_line(line).map_err(|expected| wrong(number, expected))?;
            let clash = list.0.iter().find(|other| other.clashes_with(&entry));
            if let Some(other) = clash {
                let expected = format!(
                    "distinct names and hashes, found those of {:?} and {:?} alike",
                    other.caller.name, entry.caller.name
                );
                return Err(wrong(number, expected));
            }
            if list.0.len() == MAX_TOKENS {
                return Err(wrong(number, format!("at most {MAX_TOKENS} tokens, found more")));
            }
            list.0.push(entry);
        }
        Ok(list)
    }

    /// Who has this token. The time does not depend on which token of the list it resembles: all are compared, as
    /// hashes, and the place of a match is selected without a branch.
    pub(super) fn find(&self, token: &str) -> Option<Caller<R>> {
        let hash = TokenHash::of(token);
        let none = u64::MAX;
        let found = (0_u64..).zip(&self.0).fold(none, |found, (index, entry)| {
            u64::conditional_select(&found, &index, entry.hash.ct_eq(&hash))
        });
        let index = usize::try_from(found).ok()?;
        self.0.get(index).map(|entry| entry.caller.clone())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|entry| &*entry.caller.name == name)
    }

    /// Whether there is a token with this name and role.
    pub(super) fn has_caller(&self, caller: &Caller<R>) -> bool {
        self.0.iter().any(|entry| entry.caller == *caller)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<R> Entry<R> {
    fn clashes_with(&self, other: &Self) -> bool {
        self.caller.name == other.caller.name || bool::from(self.hash.ct_eq(&other.hash))
    }
}

fn parse_line<R: Permission>(line: &str) -> Result<Entry<R>, String> {
    let mut words = line.split_whitespace();
    let [Some(name), Some(role), Some(hash), None] =
        [words.next(), words.next(), words.next(), words.next()]
    else {
        return Err("NAME ROLE SHA256, found another number of words".into());
    };
    check_name(name)?;
    let role: R = role.parse().map_err(|_| format!("{} for {name:?}", R::EXPECTED))?;
    let hash = TokenHash::parse(hash)
        .ok_or_else(|| format!("the SHA-256 of a token, as 64 hexadecimal digits, for {name:?}"))?;
    Ok(Entry { caller: Caller { name: Arc::from(name), role, open: false }, hash })
}

/// Checks the name of a token; the message says what is expected.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(plain) && !is_token(name) {
        return Ok(());
    }
    let found =
        if is_token(name) { "a token".into() } else { format!("{:?}", shortened(name, MAX_NAME)) };
    Err(format!("a name of 1 to {MAX_NAME} letters, digits and . _ @ -, found {found}"))
}

fn is_token(text: &str) -> bool {
    text.starts_with("plugbay_")
}

/// The content of the file, within bounds.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, TokensError> {
    let failed = |source| TokensError::Read { path: path.to_owned(), source };
    // Opening a pipe would wait for who writes to it.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("expected a regular file")));
    }
    let file = File::open(path).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        if mode & 0o022 != 0 {
            return Err(TokensError::Writable { path: path.to_owned(), mode });
        }
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(TokensError::Large { path: path.to_owned() });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::token::Token;
    use super::*;

    fn parse(text: &str) -> Result<TokenList<Role>, String> {
        TokenList::parse(Path::new("tokens"), text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_bearer_of_a_token_is_found_by_it_alone() {
        let tokens: Vec<_> = (0..3).map(|_| Token::random().unwrap()).collect();
        let text = format!(
            "# who may act\n\nada operator {}\r\n  bob\tviewer {}\n",
            tokens[0].hash(),
            tokens[1].hash()
        );
        let list = parse(&text).unwrap();
        let found = |token: &str| list.find(token).map(|it| (it.name.to_string(), it.role));
        assert_eq!(found(tokens[0].reveal()), Some(("ada".into(), Role::Operator)));
        assert_eq!(found(tokens[1].reveal()), Some(("bob".into(), Role::Viewer)));
        assert_eq!(found(tokens[2].reveal()), None);
        assert_eq!(found(&tokens[0].hash().to_string()), None, "a hash is no token");
        assert_eq!(found(""), None);
        assert!(parse("").unwrap().find("").is_none());
    }

    #[test]
    fn a_wrong_line_is_told_by_its_number_and_not_repeated() {
        let hash = TokenHash::of("a").to_string();
        let other = TokenHash::of("b").to_string();
        for (text, expected) in [
            (format!("\na operator {hash} plugbay_hunter2"), "tokens:2: expected NAME ROLE SHA256"),
            ("plugbay_hunter2".into(), "another number of words"),
            (format!("plugbay_hunter2 operator {hash}"), "found a token"),
            (format!("a plugbay_hunter2 {hash}"), "the role viewer or operator for \"a\""),
            ("a operator plugbay_hunter2".into(), "64 hexadecimal digits, for \"a\""),
            (format!("a operator {}", &hash[1..]), "64 hexadecimal digits"),
            (format!("a/b operator {hash}"), "a name of 1 to 64"),
            (format!("{} operator {hash}", "a".repeat(65)), "a name of 1 to 64"),
            (format!("a operator {hash}\na viewer {other}"), "tokens:2: expected distinct names"),
            (format!("a operator {hash}\nb viewer {hash}"), "tokens:2: expected distinct names"),
        ] {
            let error = parse(&text).expect_err(&text);
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let bytes = TokenList::<Role>::parse(Path::new("tokens"), b"a operator \xff").unwrap_err();
        assert!(bytes.to_string().contains("expected UTF-8"), "{bytes}");
        let line =
            |number: usize| format!("n{number} viewer {}", TokenHash::of(&number.to_string()));
        let many = (0..=MAX_TOKENS).map(line).collect::<Vec<_>>().join("\n");
        assert!(parse(&many).unwrap_err().contains("at most 1024 tokens"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_write_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let missing = bytes(&path).unwrap_err();
        assert!(missing.hint().contains("plugbay token new"), "{missing}");
        fs::write(&path, "").unwrap();
        for (mode, good) in [(0o600, true), (0o644, true), (0o620, false), (0o602, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(bytes(&path).is_ok(), good, "{mode:o}");
        }
        assert!(bytes(folder.path()).unwrap_err().to_string().contains("a regular file"));
        let large = folder.path().join("large");
        File::create(&large).unwrap().set_len(MAX_FILE + 1).unwrap();
        fs::set_permissions(&large, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(bytes(&large), Err(TokensError::Large { .. })));
    }
}
