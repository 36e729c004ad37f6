//! Named constructors.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use super::Registry;
use super::errors::RegisterError;
use crate::not_found::NotFound;

/// A constructor behind a name.
pub type Constructor<A, T, E> = Box<dyn Fn(A) -> Result<T, E> + Send + Sync>;

/// Name → constructor, which makes a `T` from an `A`. A constructor runs in
/// the caller's thread and without any lock held, so it may connect somewhere, block, or use this
/// same registry; no other caller waits for it.
///
/// ```
/// use plugbay_registry::{BuildError, Factories};
///
/// let stores = Factories::<&str, String, std::num::ParseIntError>::new("store");
/// stores.register("number", |config| config.parse::<u32>().map(|n| n.to_string()))?;
///
/// assert_eq!(stores.build("number", "42")?, "42");
/// assert!(matches!(stores.build("number", "x"), Err(BuildError::Failed(_))));
/// assert!(matches!(stores.build("memory", ""), Err(BuildError::NotFound(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A finished value is no factory:
///
/// ```compile_fail,E0277
/// use plugbay_registry::Factories;
/// let stores = Factories::<(), String, ()>::new("store");
/// stores.register("memory", String::new())?;
/// # Ok::<(), plugbay_registry::RegisterError>(())
/// ```
///
/// ```
/// use plugbay_registry::Factories;
/// let stores = Factories::<(), String, ()>::new("store");
/// stores.register("memory", |()| Ok(String::new()))?;
/// # Ok::<(), plugbay_registry::RegisterError>(())
/// ```
pub struct Factories<A, T, E> {
    constructors: Registry<Constructor<A, T, E>>,
}

/// Why nothing was built.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BuildError<E> {
    /// There is no constructor of that name.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// The constructor failed; this is its error, unchanged.
    #[error("{0}")]
    Failed(E),
}

impl<A, T, E> Factories<A, T, E> {
    /// No constructors yet. `what` they make, as a noun, goes into errors: `store`.
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self { constructors: Registry::new(what) }
    }

    /// Adds a constructor under a new name.
    ///
    /// # Errors
    ///
    /// As [`Registry::register`].
    pub fn register(
        &self,
        name: impl Into<Arc<str>>,
        constructor: impl Fn(A) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<(), RegisterError> {
        self.constructors.register(name, Box::new(constructor))
    }

    /// As [`Factories::register`], for start-up code.
    ///
    /// # Panics
    ///
    /// As [`Registry::must_register`].
    #[track_caller]
    pub fn must_register(
        &self,
        name: impl Into<Arc<str>>,
        constructor: impl Fn(A) -> Result<T, E> + Send + Sync + 'static,
    ) {
        self.constructors.must_register(name, Box::new(constructor));
    }

    /// Runs the constructor of that name.
    ///
    /// It is leased while it runs: one that is unregistered meanwhile finishes, and
    /// only then counts as drained.
    ///
    /// # Errors
    ///
    /// [`BuildError::NotFound`], or [`BuildError::Failed`] with the constructor's own error.
    pub fn build(&self, name: &str, input: A) -> Result<T, BuildError<E>> {
        let constructor = self.constructors.get(name)?;
        constructor(input).map_err(BuildError::Failed)
    }

    /// The names, sorted: a copy that the caller owns.
    pub fn names(&self) -> Vec<String> {
        self.constructors.names()
    }

    /// The registry behind it: to unregister, freeze, publish or subscribe.
    pub fn registry(&self) -> &Registry<Constructor<A, T, E>> {
        &self.constructors
    }
}

impl<A, T, E> fmt::Debug for Factories<A, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Factories").field(&self.constructors).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::convert::Infallible;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn the_constructors_error_arrives_unchanged() {
        #[derive(Debug, PartialEq)]
        struct Refused(u16);
        let factories = Factories::<u16, (), Refused>::new("store");
        factories.must_register("picky", |port| Err(Refused(port)));
        assert_eq!(factories.build("picky", 80), Err(BuildError::Failed(Refused(80))));
    }

    #[test]
    fn a_slow_constructor_delays_nobody() {
        let factories = Factories::<(), u8, Infallible>::new("store");
        let (started, has_started) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let may_go_on = std::sync::Mutex::new(may_go_on);
        factories.must_register("slow", move |()| {
            started.send(()).expect("the test listens");
            // Until the test has done everything else; no lock may be in its way.
            may_go_on.lock().expect("only this call").recv().expect("the test goes on");
            Ok(1)
        });
        factories.must_register("lookup_fast", |()| Ok(2));
        thread::scope(|scope| {
            let slow = scope.spawn(|| factories.build("slow", ()));
            has_started.recv().expect("it starts");
            assert_eq!(factories.build("lookup_fast", ()), Ok(2));
            factories.must_register("late", |()| Ok(3));
            assert_eq!(factories.build("late", ()), Ok(3));
            let leaving = factories.registry().unregister("slow").expect("it is there");
            assert!(!leaving.is_drained(), "its constructor still runs");
            go_on.send(()).expect("the constructor waits");
            assert_eq!(slow.join().expect("no panic"), Ok(1));
            assert!(leaving.is_drained());
        });
    }

    #[test]
    fn a_constructor_may_use_its_own_registry() {
        let factories = Arc::new(Factories::<u32, u32, Infallible>::new("store"));
        let inner = Arc::downgrade(&factories);
        factories.must_register("down", move |n| match n.checked_sub(1) {
            None => Ok(0),
            Some(less) => {
                let factories = inner.upgrade().expect("the test holds it");
                factories.must_register(format!("made-at-{n}"), |_| Ok(0));
                Ok(factories.build("down", less).expect("it is there") + 1)
            }
        });
        assert_eq!(factories.build("down", 3), Ok(3));
        assert_eq!(factories.names(), ["down", "made-at-1", "made-at-2", "made-at-3"]);
    }
}
