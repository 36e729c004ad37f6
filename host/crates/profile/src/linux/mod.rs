//! Records a profile on Linux.
//!
//! | module | idea |
//! |---|---|
//! | `signal` | the only `unsafe` code: timers, the handler of their signal, and what it reads |
//! | `walk` | follows frame pointers |
//! | `slots` | where the handler leaves samples, without a lock |
//! | `running` | one profile at a time |
//! | `record` | one profile, from its start to its end |
//! | `threads` | one timer for each thread |
//! | `samples` | samples with the same stack are one |
//! | `guests` | which plugin an address belongs to |
//! | `maps`, `symbols` | which file, and which function of it |
//! | `resolve` | the names of all addresses |

mod guests;
mod maps;
mod record;
mod resolve;
mod running;
mod samples;
mod signal;
mod slots;
mod symbols;
#[cfg(test)]
mod tests;
mod threads;
mod walk;

pub use record::record;
