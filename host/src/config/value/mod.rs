//! Small vocabulary of settings: durations, sizes, and orders without a circle. It knows no file,
//! no key and no section.
//!
//! | file | idea |
//! |---|---|
//! | `duration` | `"30s"`, and the durations that ranges begin and end with |
//! | `size` | `"64MiB"` |
//! | `graph` | an order of names that need each other, or the circles that stand against one |

pub(super) mod duration;
pub(super) mod graph;
pub(super) mod size;
