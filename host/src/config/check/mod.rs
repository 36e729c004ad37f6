//! What holds between settings once all of them are read.
//!
//! | file | idea |
//! |---|---|
//! | `relations` | settings that must fit each other |
//! | `migrations` | whether the rules of `[[migrations]]` hold |
//! | `folders` | what must not lie in a folder that a plugin may write in |
//! | `restart` | what a running host cannot take over live |

pub(super) mod folders;
pub mod migrations;
pub(super) mod relations;
pub(super) mod restart;
