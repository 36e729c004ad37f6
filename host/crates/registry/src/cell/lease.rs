//! The lease word: it counts the users of a version that is being replaced, and one thread learns
//! when the last of them has gone.
//!
//! # The protocol
//!
//! One atomic word per entry holds a count and three flags:
//!
//! ```text
//!   CLOSED | CLAIMED | DRAINED | count
//!
//!        close()              last one out           hook returned
//!  open(n) ───────▶ closed(n) ─────────────▶ claimed ─────────────▶ drained
//!  count goes up    count only goes down     one thread owns        for good
//!  and down         (but see "late")         the close hook
//! ```
//!
//! **Enter** looks at the word, and is refused if CLOSED is set. Otherwise it adds
//! one, and looks at the previous value: below the limit, the lease is
//! granted; with CLOSED set, the caller was *late*, takes its one back and is
//! refused. One read-modify-write when it succeeds, no loop, so readers never
//! make each other retry (a compare-and-swap loop would).
//!
//! **Leave** subtracts one. The thread that turns `closed(1)` into `closed(0)` tries to *claim*: it
//! exchanges exactly CLOSED, count zero, for CLOSED|CLAIMED.
//!
//! **Close** sets CLOSED. A thread that finds it set already has nothing to do. One that finds the
//! count at zero tries to claim; otherwise the last leave will.
//!
//! **Finish**: the thread that claimed runs the close hook, sets DRAINED, and only then wakes the
//! waiters. So *drained* means: no lease is held, none will ever be granted, and the hook has
//! returned.
//!
//! # The collisions
//!
//! *Enter against close.* Both are read-modify-writes of one word, so one comes
//! first. Enter first: close finds it counted and leaves the claim to it. Close
//! first: enter finds CLOSED in the value it replaced and is refused. There is no
//! third case, which is why count and flag share a word.
//!
//! *Last leave against close.* The same: either the leave comes first and close
//! finds zero, or close comes first and the leave finds `closed(1)`. Exactly one
//! of them sees the word become CLOSED with count zero.
//!
//! *Late enters.* Between its two steps a late enter shows as a count of one that is no lease. It
//! can make a claim fail, which loses nothing: the claim fails only if the word is not exactly
//! CLOSED, so either a thread has claimed, or the count is above zero and the thread that takes it
//! back to zero tries again. In this way a refused caller may be the one that runs the hook. It
//! cannot make a drained word look undrained, because DRAINED is a flag of its own and is never
//! taken back; a plain "closed and zero" test would flicker here. Nor can it starve the claim: the
//! look before the add means that only a thread which was already between the two when CLOSED was
//! set can be late, each of them once.
//!
//! *Exactly once.* CLAIMED is set by a compare-and-exchange from a value without
//! it, and never cleared. One thread wins.
//!
//! *Wake-up.* The waiter registers its listener, then looks at DRAINED; the
//! finisher sets DRAINED, then notifies. The event puts a sequentially consistent
//! fence after registering and before looking for listeners, so either the waiter
//! sees the flag or the finisher sees the listener.
//!
//! *Memory.* The thread that subtracts last, or is late, still touches the word
//! afterwards. It may: a [`Lease`] owns an `Arc` that it drops after leaving, and
//! everyone else borrows from one.
//!
//! # Orderings, and why each is enough
//!
//! | step | ordering | because |
//! |---|---|---|
//! | enter: look, add | acquire | a refused caller must see what the closer did before closing: it looks the name up again, and has to find the newer generation |
//! | leave: subtract | release | what was done under the lease happens before the hook |
//! | close: set CLOSED | release | the other half of enter's acquire |
//! | claim | acquire | reads the end of a chain of read-modify-writes, which continues the release of every leave in it, so it acquires from all of them, not only from the last |
//! | finish: set DRAINED | release | what the hook did happens before a waiter goes on |
//! | is it drained? | acquire | the other half |
//!
//! Nothing needs a total order over several words, since there is one word.
//!
//! # The count's end
//!
//! The count has room for twice its limit. An enter that finds the limit reached
//! takes its one back and panics: only leaked leases get there, 2^60 of them on a
//! 64-bit machine. The other half of the room is for enters that are between
//! adding and taking back; there are never more of those than threads.

mod leased;
#[cfg(all(loom, test))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
mod word;

pub use leased::{Closed, Lease, Leased, Pass};
