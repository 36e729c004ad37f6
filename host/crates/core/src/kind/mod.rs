//! Kinds: the typed interfaces of capabilities, and how a plugin provides one.
//!
//! A kind that every host serves is one module here, one line of [`built_in`] and one of [`BUILT_IN`].

pub mod codec;
pub mod handler;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use self::codec::Codec;
use self::codec::call::CodecCall;
use self::handler::Handler;

/// The modules of the built-in kinds.
pub mod built_in {
    pub use super::{codec, handler};
}

/// The kinds that every host serves, sorted by name. Whatever lists kinds reads this.
pub const BUILT_IN: [BuiltIn; 2] = [
    BuiltIn { name: Codec::NAME, plural: "codecs" },
    BuiltIn { name: Handler::NAME, plural: "handlers" },
];

/// What is known of a built-in kind without a plugin of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuiltIn {
    /// Its name, as in `codec:json`.
    pub name: &'static str,
    /// The word for its capabilities, as in `plugbay list codecs`.
    pub plural: &'static str,
}

/// A typed interface that capabilities have.
///
/// [`Codec`] and [`Handler`] are kinds; an application defines its own by naming what a caller calls.
///
/// ```
/// use plugbay_core::{CallError, Context, Kind};
///
/// /// What a caller of a `greeter` calls.
/// trait Greet: Send + Sync {
///     fn greet(&self, context: &Context, name: &str) -> Result<String, CallError>;
/// }
///
/// /// The kind `greeter`.
/// struct Greeter;
///
/// impl Kind for Greeter {
///     const NAME: &'static str = "greeter";
///     type Call = dyn Greet;
/// }
/// ```
pub trait Kind: 'static {
    /// The name of the kind, as plugins describe it and people write it.
    const NAME: &'static str;

    /// What a caller calls: usually a trait object.
    type Call: ?Sized + Send + Sync + 'static;

    /// Erases a call object. Not for implementers.
    #[doc(hidden)]
    #[must_use]
    fn erase(call: Arc<Self::Call>) -> AnyCall {
        AnyCall::Other(Arc::new(call))
    }

    /// The call object, if it is of this kind. Not for implementers.
    #[doc(hidden)]
    #[must_use]
    fn of(call: &AnyCall) -> Option<&Arc<Self::Call>> {
        match call {
            AnyCall::Other(call) => call.downcast_ref(),
            AnyCall::Codec(_) => None,
        }
    }
}

/// A call object of any kind. A codec's is told by a tag, because its calls are short enough
/// for a test of types to show: it reads back 16 bytes that were just written as two words.
#[doc(hidden)]
#[derive(Clone)]
pub enum AnyCall {
    Codec(Arc<dyn CodecCall>),
    Other(Arc<dyn Any + Send + Sync>),
}

/// A kind's call object, with its type erased so that plugins of every kind fit one set.
/// Cheap to clone.
#[derive(Clone)]
pub struct Provider {
    kind: &'static str,
    call: AnyCall,
}

impl Provider {
    /// Erases the call object of kind `K`.
    pub fn new<K: Kind>(call: Arc<K::Call>) -> Self {
        Self { kind: K::NAME, call: K::erase(call) }
    }

    /// The name of the kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The call object, if it is of kind `K`.
    #[must_use]
    #[inline]
    pub fn get<K: Kind>(&self) -> Option<&Arc<K::Call>> {
        K::of(&self.call)
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A capability's kind and name, written `codec:json`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CapabilityKey {
    /// The kind's name.
    pub kind: String,
    /// The capability's name within its kind.
    pub name: String,
}

impl CapabilityKey {
    /// A key of these two.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }
}

impl fmt::Display for CapabilityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

impl Serialize for CapabilityKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_kinds_are_sorted_and_each_word_means_one() {
        let names = BUILT_IN.map(|kind| kind.name);
        assert!(names.is_sorted(), "{names:?}");
        for kind in BUILT_IN {
            let same = |other: &&BuiltIn| {
                [other.name, other.plural].iter().any(|it| [kind.name, kind.plural].contains(it))
            };
            assert_eq!(BUILT_IN.iter().filter(same).count(), 1, "{kind:?}");
        }
    }
}
