//! Polymorphic types: a document names its type, and becomes a value of that type.
//!
//! An alert rule, a storage backend, a step of a pipeline: a configuration holds many of them, and
//! each says by one of its fields, the *discriminator*, which type it is. The program does not know
//! all types beforehand; crates register theirs. [`Types`] works on any kind of document, since all
//! it needs is a function that finds the discriminator. With the feature `serde`, a type that can
//! be deserialized from the document is registered by its name alone.
//!
#![cfg_attr(feature = "serde", doc = "```")]
#![cfg_attr(not(feature = "serde"), doc = "```ignore")]
//! use plugbay_registry::Types;
//! use serde_json::{Value, json};
//!
//! trait Store {
//!     fn describe(&self) -> String;
//! }
//!
//! #[derive(serde::Deserialize)]
//! struct Folder {
//!     path: String,
//! }
//! impl Store for Folder {
//!     fn describe(&self) -> String {
//!         format!("the folder {}", self.path)
//!     }
//! }
//!
//! type Stores = Types<Value, Box<dyn Store>, serde_json::Error>;
//! let stores = Stores::new("store", |document| document.get("type")?.as_str());
//! stores.register_type("folder", |folder: Folder| Box::new(folder))?;
//!
//! let store = stores.read(json!({ "type": "folder", "path": "data" }))?;
//! assert_eq!(store.describe(), "the folder data");
//!
//! let unknown = stores.read(json!({ "type": "foldr" })).err().unwrap();
//! assert_eq!(
//!     unknown.to_string(),
//!     r#"no store "foldr"; known: folder; did you mean "folder"?"#
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::not_found::NotFound;
use crate::registry::{BuildError, Factories, RegisterError};

type Discriminate<D> = dyn Fn(&D) -> Option<&str> + Send + Sync;

/// Type name → constructor: makes a `T` from a document `D` that names its type.
pub struct Types<D, T, E> {
    constructors: Factories<D, T, E>,
    discriminate: Box<Discriminate<D>>,
}

/// Why a document did not become a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError<E> {
    /// The document names no type.
    #[error("expected the {what} to name its type, found none")]
    Untyped {
        /// What the document should be, as a noun.
        what: String,
    },
    /// It names a type that is not registered.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// The type's constructor failed; this is its error, unchanged.
    #[error("{0}")]
    Failed(E),
}

impl<D, T, E> Types<D, T, E> {
    /// No types yet. `what` they are, as a noun, goes into errors; `discriminate` finds
    /// the name of its type in a document.
    pub fn new(
        what: impl Into<Cow<'static, str>>,
        discriminate: impl Fn(&D) -> Option<&str> + Send + Sync + 'static,
    ) -> Self {
        Self { constructors: Factories::new(what), discriminate: Box::new(discriminate) }
    }

    /// Adds a type by its name, and how a document becomes a value of it.
    ///
    /// # Errors
    ///
    /// As [`Registry::register`](crate::Registry::register).
    pub fn register(
        &self,
        name: impl Into<Arc<str>>,
        constructor: impl Fn(D) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<(), RegisterError> {
        self.constructors.register(name, constructor)
    }

    /// Makes a value of a document, by the constructor of the type that it names.
    ///
    /// # Errors
    ///
    /// [`ReadError`], with the constructor's own error in it.
    pub fn read(&self, document: D) -> Result<T, ReadError<E>> {
        let untyped = || ReadError::Untyped { what: self.constructors.registry().what().into() };
        // Copied, since the constructor takes the document.
        let name = (self.discriminate)(&document).ok_or_else(untyped)?.to_owned();
        self.constructors.build(&name, document).map_err(|error| match error {
            BuildError::NotFound(missed) => ReadError::NotFound(missed),
            BuildError::Failed(error) => ReadError::Failed(error),
        })
    }

    /// The names of the types, sorted: a copy that the caller owns.
    pub fn names(&self) -> Vec<String> {
        self.constructors.names()
    }

    /// The constructors behind it: to unregister, freeze or subscribe.
    pub fn constructors(&self) -> &Factories<D, T, E> {
        &self.constructors
    }
}

#[cfg(feature = "serde")]
impl<D, T, E> Types<D, T, E>
where
    D: for<'de> serde::Deserializer<'de, Error = E>,
{
    /// Adds a type that is deserialized from the document, and how it becomes a `T`.
    ///
    /// It sees the whole document, the discriminator included.
    ///
    /// # Errors
    ///
    /// As [`Registry::register`](crate::Registry::register).
    pub fn register_type<C: serde::de::DeserializeOwned>(
        &self,
        name: impl Into<Arc<str>>,
        into: impl Fn(C) -> T + Send + Sync + 'static,
    ) -> Result<(), RegisterError> {
        self.register(name, move |document| C::deserialize(document).map(&into))
    }
}

impl<D, T, E> fmt::Debug for Types<D, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Types").field(&self.constructors).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The document is a line: the type's name, a blank, the rest.
    type Shapes = Types<String, f64, String>;

    fn shapes() -> Shapes {
        let shapes = Shapes::new("shape", |line| line.split_once(' ').map(|(name, _)| name));
        let side = |line: String| -> Result<f64, String> {
            line.split_once(' ').unwrap_or_default().1.parse().map_err(|_| format!("bad: {line}"))
        };
        shapes.register("square", move |line| side(line).map(|it| it * it)).expect("a new name");
        shapes.register("line", side).expect("a new name");
        shapes
    }

    #[test]
    fn a_document_becomes_what_it_says_it_is() {
        assert_eq!(shapes().read("square 3".into()), Ok(9.0));
        assert_eq!(shapes().read("line 3".into()), Ok(3.0));
        assert_eq!(shapes().names(), ["line", "square"]);
    }

    #[test]
    fn a_document_without_a_type_and_one_of_an_unknown_type_are_told_apart() {
        let untyped = shapes().read("square".into()).expect_err("it names none");
        assert_eq!(untyped.to_string(), "expected the shape to name its type, found none");
        let unknown = shapes().read("squar 3".into()).expect_err("it is not registered");
        assert!(unknown.to_string().ends_with(r#"did you mean "square"?"#), "{unknown}");
    }

    #[test]
    fn the_constructors_error_arrives_unchanged() {
        let failed = shapes().read("line x".into());
        assert_eq!(failed, Err(ReadError::Failed("bad: line x".to_owned())));
    }

    #[test]
    fn a_type_has_one_constructor() {
        assert!(shapes().register("line", |_| Ok(0.0)).is_err());
    }
}
