//! Why a library does not open, as a code that a worker can send to its host.

use plugbay_abi::host::Incompatible;
use plugbay_core::{Reason, Refusal};

use crate::library::OpenError;

/// Why a library does not open. A worker sends the number to its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Fault {
    /// The system's loader refuses it.
    Loader = 1,
    /// It has no entry.
    NoEntry,
    /// Its entry panicked.
    EntryPanicked,
    /// Its vtable has another version.
    Version,
    /// Its vtable is not valid.
    Vtable,
    /// A function of its vtable, or of the table of a kind, is null.
    Missing,
}

impl Fault {
    const ALL: [Self; 6] = [
        Self::Loader,
        Self::NoEntry,
        Self::EntryPanicked,
        Self::Version,
        Self::Vtable,
        Self::Missing,
    ];

    /// The fault that the error stands for.
    pub(crate) fn of(error: &OpenError) -> Self {
        match error {
            OpenError::Load { .. } => Self::Loader,
            OpenError::Entry { .. } => Self::NoEntry,
            OpenError::Panicked { .. } => Self::EntryPanicked,
            OpenError::Incompatible { source, .. } => Self::of_vtable(source),
        }
    }

    fn of_vtable(problem: &Incompatible) -> Self {
        match problem {
            Incompatible::Version { .. } => Self::Version,
            Incompatible::Missing { .. } => Self::Missing,
            Incompatible::Kind { problem, .. } => Self::of_vtable(problem),
            _ => Self::Vtable,
        }
    }

    /// The fault that has this number, if there is one.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there are no workers"))]
    pub(crate) fn numbered(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| *fault as u16 == number)
    }

    /// The refusal of a plugin for this fault.
    pub(crate) fn refusal(self, message: String) -> Refusal {
        let (reason, hint) = match self {
            Self::Loader => (
                Reason::Loader,
                "install the library that it needs, link that one statically, or name its folder with a full \
                 path (-rpath): what lies beside the file ($ORIGIN) is not found, because a private copy is \
                 loaded",
            ),
            Self::NoEntry => (
                Reason::NoEntry,
                "use PLUGBAY_PLUGIN of plugbay.h or export! of plugbay-sdk, which export it",
            ),
            Self::EntryPanicked => (Reason::NoEntry, "let it return a static vtable"),
            Self::Version => (
                Reason::AbiVersion,
                "rebuild it with the plugbay-sdk or the plugbay.h of this host",
            ),
            Self::Vtable => {
                (Reason::BadHeader, "return a static vtable whose size is that of its struct")
            }
            Self::Missing => (
                Reason::BadHeader,
                "set every function of the table; one that has nothing to do returns at once",
            ),
        };
        Refusal::new(reason, message).hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_back() {
        for fault in Fault::ALL {
            assert_eq!(Fault::numbered(fault as u16), Some(fault));
        }
        assert_eq!(Fault::numbered(0), None);
    }
}
