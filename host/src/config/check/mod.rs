//! What holds between settings once all of them are read.
//!
//! | file | idea |
//! |---|---|
//! | `relations` | settings that must fit each other |
//! | `folders` | what must not lie in a folder that a plugin may write in |
//! | `restart` | what a running host cannot take over live |

pub(super) mod folders;
pub(super) mod relations;
pub(super) mod restart;
