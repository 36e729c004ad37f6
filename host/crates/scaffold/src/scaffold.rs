//! What to make, and the folder of it.

use std::path::{Path, PathBuf};

use crate::choices::{Kind, Language};
use crate::files::{ScaffoldError, write_new, write_over};
use crate::name::check_name;
use crate::{own, sdk, templates};

/// The file by which the SDK of a language is known.
const MARKS: [(Language, &str); 3] =
    [(Language::Rust, "Cargo.toml"), (Language::C, "plugbay.h"), (Language::Js, "plugbay.js")];

/// A new plugin.
///
/// ```
/// use plugbay_scaffold::{Kind, Language, Scaffold};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path().join("lines");
/// let scaffold = Scaffold { name: "lines".into(), kind: Kind::Codec, language: Language::Rust };
/// scaffold.write(&folder)?;
/// assert!(folder.join("Cargo.toml").exists() && folder.join("tests/cases").exists());
/// # Ok::<(), plugbay_scaffold::ScaffoldError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scaffold {
    /// The plugin's name, and that of its capability.
    pub name: String,
    /// The kind of its capability.
    pub kind: Kind,
    /// Its language.
    pub language: Language,
}

impl Scaffold {
    /// Writes the folder, which must not exist or be empty. If writing fails, what was written stays.
    ///
    /// # Errors
    ///
    /// If the name is not one that a plugin can have, if there is something in the folder, or if a file cannot be
    /// written.
    pub fn write(&self, folder: &Path) -> Result<(), ScaffoldError> {
        check_name(&self.name)?;
        if (self.language, self.kind) == (Language::C, Kind::Handler) {
            return Err(ScaffoldError::NoTemplate);
        }
        let mut files = templates::files(&self.name, self.kind, self.language);
        files.extend(sdk::files(self.language)?);
        write_new(folder, &files)
    }
}

/// Writes the SDK of this program into the folder of a plugin that has one, over it, and what is made of the plugin's
/// WIT, if it has its own. Returns the folder of the SDK.
///
/// # Errors
///
/// If the folder has no SDK, or if a file cannot be written.
pub fn write_sdk(folder: &Path) -> Result<PathBuf, ScaffoldError> {
    let sdk = folder.join(sdk::FOLDER);
    let has = |(_, file): &(Language, &str)| sdk.join(file).exists();
    let found = MARKS.into_iter().find(has);
    let (language, _) = found.ok_or_else(|| ScaffoldError::NoSdk(folder.to_owned()))?;
    write_over(folder, &sdk::files(language)?)?;
    own::write_again(folder)?;
    Ok(sdk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_files_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mine"), "").unwrap();
        let scaffold = Scaffold { name: "a".into(), kind: Kind::Codec, language: Language::Rust };
        let error = scaffold.write(folder.path()).unwrap_err();
        assert_eq!(error.reason(), "folder-not-empty");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_older_sdk_is_replaced() {
        let parent = tempfile::tempdir().unwrap();
        assert_eq!(write_sdk(parent.path()).unwrap_err().reason(), "no-sdk");
        for (language, mark) in MARKS {
            let folder = parent.path().join(format!("{language:?}"));
            let scaffold = Scaffold { name: "a".into(), kind: Kind::Codec, language };
            scaffold.write(&folder).unwrap();
            let file = folder.join("sdk").join(mark);
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, "old").unwrap();
            assert_eq!(write_sdk(&folder).unwrap(), folder.join("sdk"));
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
    }
}
