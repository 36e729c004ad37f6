//! Types of settings: durations and sizes. This module knows no file, no key and no section.
//!
//! | file | idea |
//! |---|---|
//! | `duration` | `"30s"`, and the bounds of ranges |
//! | `size` | `"64MiB"` |

pub(super) mod duration;
pub(super) mod size;
