//! A page of a bucket's keys.

/// One page of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Keys {
    /// The keys, in ascending order of their bytes.
    pub keys: Vec<String>,
    /// What [`Bucket::list`](super::Bucket::list) takes for the next page; `None` after the last one.
    pub cursor: Option<String>,
}
