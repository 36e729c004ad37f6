//! Registration at link time: a crate that is linked into the program registers itself, without a
//! line in `main`. Three crates take part, which need not know each other:
//!
//! - an *interface* crate says what is registered: any `'static` type, such as
//!   `Arc<dyn Codec>` or a function pointer. The type is the meeting point, so make
//!   it one of your own; two meanings of `fn(&[u8]) -> String` would mix.
//! - an *implementation* crate says [`link!`](crate::link)`(Type, "name", make)`.
//! - the *application* collects what was linked: [`registry`] or [`register_into`].
//!
//! The application has to link the implementation, and naming it in `Cargo.toml` is
//! not enough: a dependency that no line of code mentions is left out. One line
//! brings it in, `use my_codec as _;`. Without it everything still compiles, and the
//! lookup fails at run time with the names that are there. The registry crate's own
//! examples `self_registration` and `not_linked` are one program, once with and once
//! without that line.
//!
//! ```
//! use plugbay_registry::{link, linked};
//!
//! struct Greeting(&'static str);
//! link!(Greeting, "english", || Greeting("hello"));
//! link!(Greeting, "german", || Greeting("hallo"));
//!
//! let greetings = linked::registry::<Greeting>("greeting")?;
//! assert_eq!(greetings.names(), ["english", "german"]);
//! assert_eq!(greetings.must_get("german").0, "hallo");
//! # Ok::<(), plugbay_registry::RegisterError>(())
//! ```

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::Registry;
use super::errors::{ChangeError, RegisterError, RegisterErrorKind};
use crate::cell::{Leased, Table};

/// What the macro needs; not for use by hand.
#[doc(hidden)]
pub mod macros {
    use std::any::{Any, TypeId};

    pub use inventory::submit;

    /// One linked item with its type erased, since the linker's list has one type.
    #[derive(Clone, Copy)]
    pub struct Item {
        pub(super) name: &'static str,
        pub(super) origin: &'static str,
        pub(super) of: fn() -> TypeId,
        pub(super) make: fn() -> Box<dyn Any>,
    }

    impl Item {
        #[must_use]
        pub const fn new(
            name: &'static str,
            origin: &'static str,
            of: fn() -> TypeId,
            make: fn() -> Box<dyn Any>,
        ) -> Self {
            Self { name, origin, of, make }
        }
    }

    inventory::collect!(Item);
}

/// Registers at link time: `link!(Type, "name", make)`, at the level of items.
///
/// `make` is a `fn() -> Type`, or a closure that captures nothing. It runs when an
/// application collects, not at program start, and once for each collection.
///
/// See [`linked`](mod@crate::linked) for what the application does.
#[macro_export]
macro_rules! link {
    ($type:ty, $name:expr, $make:expr $(,)?) => {
        $crate::linked::macros::submit! {
            $crate::linked::macros::Item::new(
                $name,
                ::core::module_path!(),
                || ::core::any::TypeId::of::<$type>(),
                || {
                    let make: fn() -> $type = $make;
                    ::std::boxed::Box::new(make())
                },
            )
        }
    };
}

/// Something that a linked crate registered: a name and how to make the value.
pub struct Linked<T> {
    item: macros::Item,
    makes: PhantomData<fn() -> T>,
}

impl<T: Any> Linked<T> {
    /// The name it registered under.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.item.name
    }

    /// The module that registered it, to name both modules when two took one name.
    #[must_use]
    pub fn origin(&self) -> &'static str {
        self.item.origin
    }

    /// Makes the value. `None` is not expected: it would take two types with one
    /// `TypeId`.
    #[must_use]
    pub fn make(&self) -> Option<T> {
        (self.item.make)().downcast().ok().map(|value| *value)
    }
}

impl<T: Any> fmt::Debug for Linked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Linked")
            .field("name", &self.name())
            .field("origin", &self.origin())
            .finish()
    }
}

/// Everything of type `T` in this program, sorted by name and then by origin: the
/// order in which the linker happened to put it does not show.
#[must_use]
pub fn entries<T: Any>() -> Vec<Linked<T>> {
    let mut found: Vec<_> = inventory::iter::<macros::Item>
        .into_iter()
        .filter(|item| (item.of)() == TypeId::of::<T>())
        .map(|item| Linked { item: *item, makes: PhantomData })
        .collect();
    found.sort_by_key(|linked| (linked.item.name, linked.item.origin));
    found
}

/// A new registry of everything of type `T` in this program.
///
/// # Errors
///
/// As [`register_into`].
pub fn registry<T: Any>(what: impl Into<Cow<'static, str>>) -> Result<Registry<T>, RegisterError> {
    let registry = Registry::new(what);
    register_into(&registry)?;
    Ok(registry)
}

/// Adds everything of type `T` in this program to `registry`, in one step: all of
/// it, or nothing. Returns how many entries that were.
///
/// # Errors
///
/// [`RegisterErrorKind::Duplicate`] if two crates linked the same name, or one is
/// taken ([`entries`] says by whom); [`EmptyName`](RegisterErrorKind::EmptyName);
/// [`Frozen`](RegisterErrorKind::Frozen).
pub fn register_into<T: Any>(registry: &Registry<T>) -> Result<usize, RegisterError> {
    // Made before the update, which may run its closure more than once.
    let made: Vec<(Arc<str>, Arc<Leased<T>>)> = entries::<T>()
        .iter()
        .filter_map(|linked| Some((linked.name().into(), Arc::new(Leased::new(linked.make()?)))))
        .collect();
    let published = registry.update(|now| {
        let there = now.table.iter().map(|(name, entry)| (name.into(), Arc::clone(entry)));
        Table::try_from_iter(there.chain(made.iter().cloned()))
            .map_err(|twice| registry.refusal(now, &twice.name, RegisterErrorKind::Duplicate))
    });
    match published {
        Ok(_) => Ok(made.len()),
        Err(ChangeError::Refused(refused) | ChangeError::Failed(refused)) => Err(refused),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct Shape(u8);
    crate::link!(Shape, "square", || Shape(4));
    crate::link!(Shape, "triangle", || Shape(3));

    struct Twice;
    crate::link!(Twice, "same", || Twice);
    crate::link!(Twice, "same", || Twice);

    #[test]
    fn what_is_linked_is_found_sorted_and_with_its_origin() {
        let shapes = entries::<Shape>();
        assert_eq!(shapes.iter().map(Linked::name).collect::<Vec<_>>(), ["square", "triangle"]);
        assert_eq!(shapes[0].origin(), module_path!());
        assert_eq!(registry::<Shape>("shape").expect("no duplicates").must_get("triangle").0, 3);
    }

    #[test]
    fn each_type_sees_only_its_own() {
        assert!(entries::<String>().is_empty());
        assert!(registry::<String>("text").expect("nothing to refuse").is_empty());
    }

    #[test]
    fn one_name_from_two_places_is_refused_and_nothing_is_added() {
        let registry = Registry::<Twice>::new("thing");
        let refused = register_into(&registry).expect_err("twice the same name");
        assert_eq!((refused.kind, refused.name.as_str()), (RegisterErrorKind::Duplicate, "same"));
        assert!(registry.is_empty());
        assert_eq!(entries::<Twice>().len(), 2, "the caller can say who it was");
    }

    #[test]
    fn a_taken_name_is_not_overwritten() {
        let shapes = Registry::new("shape");
        shapes.must_register("square", Shape(0));
        assert!(register_into(&shapes).is_err());
        assert_eq!(shapes.must_get("square").0, 0);
        assert!(!shapes.contains("triangle"));
    }
}
