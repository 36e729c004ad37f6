//! From text to values of a type: every value knows where it was written until it has been read.
//!
//! | file | idea |
//! |---|---|
//! | `tree` | values with places |
//! | `environment` | which environment variables are meant for us |
//! | `overlay` | lays variables and flags over the file |
//! | `section` | reads one table: known keys, types, ranges |
//! | `setting` | reads one value as a type |
//! | `json` | a plugin's own config as JSON |
//! | `deep` | a stack for foreign nesting |

pub(super) mod deep;
pub(super) mod environment;
pub(super) mod json;
pub(super) mod overlay;
pub(super) mod section;
pub(super) mod setting;
pub(super) mod tree;
