//! Types of settings: durations, sizes, addresses and protocols. This module knows no file, no key and no section.
//!
//! | file | idea |
//! |---|---|
//! | `duration` | `"30s"`, and the bounds of ranges |
//! | `peer` | `"10.0.0.0/8"` |
//! | `protocol` | `"grpc"` |
//! | `rate` | `"100/s"` |
//! | `size` | `"64MiB"` |
//! | `listen` | `"127.0.0.1:7070"`, `"unix:/run/plugbay.sock"` |

pub(super) mod duration;
pub(super) mod listen;
pub(super) mod peer;
pub(super) mod protocol;
pub(super) mod rate;
pub(super) mod size;
