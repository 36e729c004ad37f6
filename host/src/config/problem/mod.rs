//! Mistakes in a configuration: what was wrong, where it was written, and how it is printed.
//!
//! | file | idea |
//! |---|---|
//! | `error` | a list of problems, which [`Layers::load`](super::Layers::load) returns |
//! | `source` | where values were written, and a place in one of those sources |
//! | `report` | collects problems while reading goes on |
//! | `render` | problems as text, with the line and a caret |
//! | `secret` | which values are never shown |

pub(super) mod error;
pub(super) mod render;
pub(super) mod report;
pub(super) mod secret;
pub(super) mod source;
