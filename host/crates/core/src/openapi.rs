//! Schemas of types of the standard library, as serde writes them.

/// A duration.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct Duration {
    /// Whole seconds.
    secs: u64,
    /// The rest, in nanoseconds.
    nanos: u32,
}
