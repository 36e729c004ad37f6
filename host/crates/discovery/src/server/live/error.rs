//! Why a change is not made.

/// Why a change is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError<E> {
    /// The directory refuses it.
    #[error(transparent)]
    Refused(E),
    /// The store does not keep it. Nothing changed; the same change may be made later.
    #[error("the directory cannot store changes now; the log has the reason")]
    Unavailable,
}
