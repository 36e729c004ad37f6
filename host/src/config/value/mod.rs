//! Types of settings: durations, sizes and addresses. This module knows no file, no key and no section.
//!
//! | file | idea |
//! |---|---|
//! | `duration` | `"30s"`, and the bounds of ranges |
//! | `size` | `"64MiB"` |
//! | `listen` | `"127.0.0.1:7070"`, `"unix:/run/plugbay.sock"` |

pub(super) mod duration;
pub(super) mod listen;
pub(super) mod size;
