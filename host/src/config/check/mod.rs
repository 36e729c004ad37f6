//! Checks of settings against each other, after all of them are read.
//!
//! | file | idea |
//! |---|---|
//! | `relations` | settings that must fit each other |
//! | `folders` | what a folder in which a plugin may write must not contain |
//! | `restart` | changes that a running host cannot apply |

pub(super) mod folders;
pub(super) mod relations;
pub(super) mod restart;
