//! Why a request was not carried out.

use std::error::Error;

/// Why an operation on a plugin's state was refused or failed. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The name of a bucket is too long.
    #[error("expected a bucket's name of at most {most} bytes, found {found}")]
    BucketName {
        /// The limit.
        most: usize,
        /// The name's length.
        found: usize,
    },
    /// A key is empty or too long.
    #[error("expected a key of 1 to {most} bytes, found {found}")]
    Key {
        /// The limit.
        most: usize,
        /// The key's length.
        found: usize,
    },
    /// One call names too many keys.
    #[error("expected at most {most} keys in one call, found {found}")]
    TooManyEntries {
        /// The limit.
        most: usize,
        /// The number of keys.
        found: usize,
    },
    /// A value is larger than the quota allows.
    #[error(
        "expected a value of at most {most} bytes, found {found}; the plugin's grant `state.value` sets the limit"
    )]
    ValueTooLarge {
        /// The limit.
        most: u64,
        /// The value's length.
        found: u64,
    },
    /// The values that one call asks for are too large together.
    #[error(
        "expected values of at most {most} bytes together from one call, found more; get fewer keys at once"
    )]
    AnswerTooLarge {
        /// The limit.
        most: u64,
    },
    /// The plugin would have more keys than the quota allows.
    #[error(
        "expected at most {most} keys of this plugin, found {found}; delete some, or raise the grant `state.keys`"
    )]
    TooManyKeys {
        /// The limit.
        most: u64,
        /// The number there would be.
        found: u64,
    },
    /// The plugin's keys and values would be larger than the quota allows.
    #[error(
        "expected at most {most} bytes of keys and values of this plugin, found {found}; delete some, or raise the grant `state.total`"
    )]
    TooManyBytes {
        /// The limit.
        most: u64,
        /// The number there would be.
        found: u64,
    },
    /// A value that is incremented is not a number.
    #[error("expected a decimal integer to increment, found a value of {found} bytes that is none")]
    NotANumber {
        /// The value's length.
        found: usize,
    },
    /// A sum does not fit into the type of the interface.
    #[error("expected a sum of {least} to {most}, found {found}")]
    Overflow {
        /// The least number.
        least: i128,
        /// The largest number.
        most: i128,
        /// The sum.
        found: i128,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StateError {
    /// The stable word for this kind of error.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BucketName { .. } => "bucket-name",
            Self::Key { .. } => "key",
            Self::TooManyEntries { .. } => "too-many-entries",
            Self::ValueTooLarge { .. } => "value-too-large",
            Self::AnswerTooLarge { .. } => "answer-too-large",
            Self::TooManyKeys { .. } => "quota-keys",
            Self::TooManyBytes { .. } => "quota-bytes",
            Self::NotANumber { .. } => "not-a-number",
            Self::Overflow { .. } => "overflow",
            Self::Store(error) => error.reason,
        }
    }
}

/// Why a store cannot be used. It is shared by all requests of the transaction that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// The stable word for this kind of error, such as `disk-full`.
    pub reason: &'static str,
    /// What was not possible, and why.
    pub message: String,
}

impl StoreError {
    /// The store's thread has ended, or never began.
    pub(crate) fn ended() -> Self {
        Self {
            reason: "store-ended",
            message: "the thread that keeps the plugins' states has ended".into(),
        }
    }

    /// An error with its causes.
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(dead_code, reason = "the store in memory never fails")
    )]
    pub(crate) fn of(reason: &'static str, action: &str, error: &dyn Error) -> Self {
        let mut message = format!("{action}: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self { reason, message }
    }
}
