//! From text to typed values: every value carries the place where it was written until it has been
//! read.
//!
//! | file | idea |
//! |---|---|
//! | `tree` | values with places |
//! | `environment` | the environment variables of Plugbay |
//! | `overlay` | lays variables and flags over the file |
//! | `section` | reads one table: known keys, types, ranges |
//! | `setting` | reads one value as a type |
//! | `json` | a plugin's own config as JSON |
//! | `deep` | a large stack for deeply nested input |

pub(super) mod deep;
pub(super) mod environment;
pub(super) mod json;
pub(super) mod overlay;
pub(super) mod section;
pub(super) mod setting;
pub(super) mod tree;
