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
}

impl Fault {
    const ALL: [Self; 5] =
        [Self::Loader, Self::NoEntry, Self::EntryPanicked, Self::Version, Self::Vtable];

    /// The fault that the error stands for.
    pub(crate) fn of(error: &OpenError) -> Self {
        match error {
            OpenError::Load { .. } => Self::Loader,
            OpenError::Entry { .. } => Self::NoEntry,
            OpenError::Panicked { .. } => Self::EntryPanicked,
            OpenError::Incompatible { source, .. } => match source {
                Incompatible::Version { .. } => Self::Version,
                Incompatible::Kind { problem, .. }
                    if matches!(**problem, Incompatible::Version { .. }) =>
                {
                    Self::Version
                }
                _ => Self::Vtable,
            },
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
            Self::Loader => {
                (Reason::Loader, "install the library that it needs, or link that one statically")
            }
            Self::NoEntry => (Reason::NoEntry, "export it"),
            Self::EntryPanicked => (Reason::NoEntry, "let it return a static vtable"),
            Self::Version => (
                Reason::AbiVersion,
                "rebuild it with the plugbay-sdk or the plugbay.h of this host",
            ),
            Self::Vtable => {
                (Reason::BadHeader, "return a static vtable whose size is that of its struct")
            }
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
