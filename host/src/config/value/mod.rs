//! Small vocabulary of settings: durations, sizes, and orders without a circle. It knows no file,
//! no key and no section.
//!
//! | file | idea |
//! |---|---|
//! | `duration` | `"30s"`, and the durations that ranges begin and end with |
//! | `size` | `"64MiB"` |

pub(super) mod duration;
pub(super) mod size;
