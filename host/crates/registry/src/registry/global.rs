//! One registry per type for the whole process, for programs that want one.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use super::Registry;
use super::linked;

type Shared = &'static (dyn Any + Send + Sync);

/// A convenience, and not how this crate is meant to be used: nothing here needs
/// it, and a library that takes a `&Registry` can be tested twice at a time.
static ALL: LazyLock<RwLock<HashMap<TypeId, Shared>>> = LazyLock::new(RwLock::default);

/// The process-wide registry of `T`s: always the same one, made by the first call,
/// with everything in it that was [linked](mod@crate::linked).
///
/// Keep the result instead of asking again and again: this takes a lock, a lookup
/// in the registry does not.
///
/// ```
/// use plugbay_registry::global;
///
/// struct Unit(f64);
/// global().must_register("inch", Unit(25.4));
/// assert_eq!(global::<Unit>().must_get("inch").0, 25.4);
/// ```
///
/// # Panics
///
/// If two crates linked the same name: which one would win is up to the linker.
#[track_caller]
pub fn global<T: Send + Sync + 'static>() -> &'static Registry<T> {
    let known = ALL.read().unwrap_or_else(PoisonError::into_inner).get(&TypeId::of::<T>()).copied();
    let found = known.unwrap_or_else(|| {
        // Made outside the lock: the constructors of what was linked run here, and
        // may themselves ask for a process-wide registry.
        let made = match linked::registry::<T>(type_name::<T>()) {
            Ok(registry) => registry,
            Err(refused) => panic!("{refused}"),
        };
        *ALL.write()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Box::leak(Box::new(made)))
    });
    match found.downcast_ref() {
        Some(registry) => registry,
        None => unreachable!("stored under the id of its own type"),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::ptr;
    use std::thread;

    use super::*;

    #[test]
    fn everyone_gets_the_same_one() {
        struct Mine;
        let here = global::<Mine>();
        let there = thread::spawn(global::<Mine>).join().expect("no panic");
        assert!(ptr::eq(here, there));
    }

    #[test]
    fn it_starts_with_what_was_linked() {
        struct Colour(u32);
        crate::link!(Colour, "red", || Colour(0x00ff_0000));
        assert_eq!(global::<Colour>().must_get("red").0, 0x00ff_0000);
    }

    #[test]
    fn types_and_scoped_registries_do_not_see_each_other() {
        #[derive(Default)]
        struct A;
        struct B;
        global::<A>().must_register("name", A);
        assert!(global::<B>().is_empty());
        assert!(Registry::<A>::new("a").is_empty());
    }
}
