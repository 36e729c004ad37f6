//! What is known of a client beside its bytes.

/// Observes a client while hyper reads and writes.
pub(crate) trait Observed: Send + Sync {
    /// Whether bytes of an answer wait for the client to read.
    fn is_blocked(&self) -> bool;

    /// Waits until the client is gone.
    fn gone(&self) -> impl Future<Output = ()> + Send;
}
