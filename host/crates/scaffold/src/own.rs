//! Kinds of applications: the folder of a plugin for a WIT interface, and the files of a new kind.

use std::fs;
use std::path::Path;

use plugbay_kind::OwnKind;
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator as _};

use crate::files::{File, ScaffoldError, write_new, write_over};
use crate::name::check_name;
use crate::{Language, sdk, templates};

/// The files that are made from the WIT, in the folder of a plugin.
const KIND: &str = "src/kind.rs";
const BINDINGS: &str = "src/kind/bindings.rs";

/// A new plugin in Rust, of a kind that an application defines.
///
/// ```
/// use plugbay_scaffold::OwnPlugin;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path().join("polite");
/// let wit = "package acme:greet@0.1.0; interface greeter { greet: func(name: string) -> string; }";
/// OwnPlugin { name: "polite".into(), wit: wit.into(), file: "greeter.wit".into() }.write(&folder)?;
/// assert!(folder.join("src/kind.rs").exists() && folder.join("wit/greeter.wit").exists());
/// # Ok::<(), plugbay_scaffold::ScaffoldError>(())
/// ```
#[derive(Clone, Debug)]
pub struct OwnPlugin {
    /// The plugin's name, and that of its capability.
    pub name: String,
    /// The text of the WIT file.
    pub wit: String,
    /// The name of the WIT file, for errors.
    pub file: String,
}

impl OwnPlugin {
    /// Writes the folder, which must not exist or be empty. If writing fails, what was written stays.
    ///
    /// # Errors
    ///
    /// If the name is not one that a plugin can have, if the WIT is not that of a kind, if there is something in the
    /// folder, or if a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), ScaffoldError> {
        check_name(&self.name)?;
        let kind = OwnKind::read(&self.wit, &self.file)?;
        let mut files = templates::own(&self.name, kind.name());
        files
            .push(("src/lib.rs".to_owned(), templates::filled(&kind.guest_template(), &self.name)));
        files.push((format!("wit/{}.wit", kind.name()), self.wit.clone()));
        files.extend(made_of(&kind)?);
        files.extend(sdk::files(Language::Rust)?);
        write_new(folder, &files)
    }
}

/// Writes the files of a new kind into the folder of an application: its WIT, and a module.
///
/// # Errors
///
/// If the name is not one that a kind can have, if one of the files exists, or if a file cannot be written.
pub fn write_kind(folder: &Path, name: &str) -> Result<(), ScaffoldError> {
    check_name(name)?;
    let files = templates::kind(name);
    // The template's own text, with this name in it.
    OwnKind::read(&files[0].1, &files[0].0)?;
    for (file, _) in &files {
        let file = folder.join(file);
        if file.exists() {
            return Err(ScaffoldError::Exists(file));
        }
    }
    write_over(folder, &files)
}

/// Makes the files from the WIT again, in the folder of a plugin that has them.
pub(crate) fn write_again(folder: &Path) -> Result<(), ScaffoldError> {
    if !folder.join(BINDINGS).exists() {
        return Ok(());
    }
    let wit = folder.join("wit");
    let failed = |source| ScaffoldError::Io { path: wit.clone(), source };
    for entry in fs::read_dir(&wit).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "wit") {
            let text = fs::read_to_string(&path).map_err(failed)?;
            let kind = OwnKind::read(&text, &path.display().to_string())?;
            return write_over(folder, &made_of(&kind)?);
        }
    }
    Ok(())
}

/// What is made of the WIT: the module of the kind, and the bindings below it.
fn made_of(kind: &OwnKind) -> Result<Vec<File>, ScaffoldError> {
    let broken = |error: &dyn std::fmt::Display| ScaffoldError::Sdk(error.to_string());
    let mut resolve = Resolve::default();
    let package = resolve.push_str("kind.wit", kind.wit()).map_err(|error| broken(&error))?;
    let world = kind.world();
    let world = resolve.select_world(&[package], Some(&world)).map_err(|error| broken(&error))?;
    let options = wit_bindgen_rust::Opts {
        runtime_path: Some("plugbay_sdk::__private::rt".to_owned()),
        generate_all: true,
        ..Default::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).map_err(|error| broken(&error))?;
    let made: Vec<u8> = files.iter().flat_map(|(_, text)| text.to_vec()).collect();
    let bindings = String::from_utf8(made).map_err(|error| broken(&error))?;
    Ok(vec![(KIND.to_owned(), kind.guest_code()), (BINDINGS.to_owned(), bindings)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_interface_is_made_again_with_the_sdk() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("polite");
        let wit =
            "package acme:greet@0.1.0; interface greeter { greet: func(name: string) -> string; }";
        let plugin = OwnPlugin { name: "polite".into(), wit: wit.into(), file: "a.wit".into() };
        plugin.write(&folder).unwrap();
        fs::write(
            folder.join("wit/greeter.wit"),
            wit.replace("name: string", "name: string, times: u8"),
        )
        .unwrap();
        crate::write_sdk(&folder).unwrap();
        let code = fs::read_to_string(folder.join(KIND)).unwrap();
        assert!(code.contains("fn greet(&self, name: String, times: u8) -> String;"), "{code}");
        assert!(fs::read_to_string(folder.join(BINDINGS)).unwrap().contains("times: u8"));
    }

    #[test]
    fn a_new_kind_is_one_that_plugins_can_be_made_for() {
        let application = tempfile::tempdir().unwrap();
        write_kind(application.path(), "fraud-check").unwrap();
        let wit = fs::read_to_string(application.path().join("wit/fraud-check.wit")).unwrap();
        let module = fs::read_to_string(application.path().join("src/fraud_check.rs")).unwrap();
        assert!(module.contains("plugbay::kind!(\"wit/fraud-check.wit\")"), "{module}");
        let plugin = OwnPlugin { name: "rules".into(), wit, file: "a.wit".into() };
        plugin.write(&application.path().join("rules")).unwrap();
        let again = write_kind(application.path(), "fraud-check").unwrap_err();
        assert_eq!(again.reason(), "file-exists");
    }
}
