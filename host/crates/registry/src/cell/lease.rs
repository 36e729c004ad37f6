//! The lease word: it counts the users of a version that is being replaced, and one thread learns
//! when the last of them has gone.
//!
//! # The protocol
//!
//! Users count themselves in and out, each thread in a line of its own that no other thread writes to
//! (`counts.rs`). One atomic word per entry holds four flags, and all but the closer only read it as
//! long as the entry is open:
//!
//! ```text
//!        close()            all threads fenced         last one out           hook returned
//!  open ─────────▶ CLOSED ─────────────────────▶ SEALED ─────────────▶ CLAIMED ─────────────▶ DRAINED
//!                  nobody gets in                 who is in is         one thread owns         for good
//!                                                 known to all         the close hook
//! ```
//!
//! **Enter** looks at the word, and is refused if it is not open. Otherwise it counts itself in, runs
//! the light side of the [fence](super::fence), and looks again: if the word is still open, the lease
//! is granted. If not, the caller was *late*: it leaves as everybody does, and is refused.
//!
//! **Leave** counts itself out, runs the light side of the fence, and looks at the word. As long as it
//! is open, that is all. If it is closed, the leaver runs a full fence and looks once more. If it is
//! sealed by now, it tries to claim; if not, the closer will.
//!
//! **Close** sets CLOSED. A thread that finds it set already has nothing to do. The first one runs the
//! heavy side of the fence, sets SEALED, runs a full fence, and tries to claim.
//!
//! **Claim** compares the sums of all threads' counts. If all who came in went out, it exchanges
//! exactly CLOSED and SEALED for these and CLAIMED.
//!
//! **Finish**: the thread that claimed runs the close hook, sets DRAINED, and only then wakes the
//! waiters. So *drained* means: no lease is held, none will ever be granted, and the hook has
//! returned.
//!
//! # Why it is right
//!
//! Below, "the heavy fence ran on a thread" is what `fence.rs` gives: while `heavy` runs in the closer,
//! each other thread executes one sequentially consistent fence, at some point between two of its
//! steps.
//!
//! *Nobody is in after the claim.* Take a lease that was granted: the thread counted itself in, and then
//! saw the word open. So the heavy fence ran on this thread after it had counted itself in (had it run
//! before, the thread would have seen CLOSED). Therefore its count is visible to whoever sees SEALED,
//! and only those compare the sums. They read what went out before what came in, so equal sums mean that
//! each coming in that they see, this one among them, had its going out. A lease that was granted and
//! not given back makes the sums differ. After CLOSED is set, a caller that is late may make the sums
//! differ as well; that is the safe side.
//!
//! *Somebody claims.* Consider everybody's last going out, and the fence that follows it on its thread:
//! the leaver's own, or the heavy fence if the leaver saw the word open (it looked after counting, so
//! the heavy fence ran on it after the count). Those fences, and the closer's last one, have one order.
//! Whoever ran the last of them sees all counts. It is the closer, or a leaver that ran a fence of its
//! own. The closer always tries. A leaver tries if it sees SEALED after its fence; if it does not, then
//! the closer's last fence, which is after SEALED was set, comes later than the leaver's, which was
//! then not the last.
//!
//! *Late callers* count in and out again. They can make a claim fail, which loses nothing: each of them
//! leaves as above, so the last one tries again. In this way a refused caller may be the one that runs
//! the hook. They cannot make a drained word look undrained, because DRAINED is a flag of its own. Nor
//! can they starve the claim: the look before counting means that only a thread which was already
//! between the two looks when CLOSED was set can be late, each of them once.
//!
//! *Exactly once.* CLAIMED is set by a compare-and-exchange from a value without it, so one thread wins.
//! A word may be opened again after it drained (`swap/slots.rs` does). It counts how often it was, and a
//! claim expects the count that was there before it looked: one that was held up over all of this fails.
//!
//! *Leases that move.* A lease may be given back on another thread, or by a task that moved. Its coming
//! in is in one line and its going out in another; only the sums are compared. Whatever moved the lease
//! orders the two, so who sees the going out sees the coming in. Each of the two finds the line of the
//! thread that it runs on, even if a fiber switched threads in between (`word.rs`).
//!
//! *Threads without a line* count in a pair of the word itself, by read-modify-writes. The argument is
//! the same.
//!
//! *If the heavy fence fails*, which takes a system that refuses what it granted before, SEALED is never
//! set. The entry is closed, and never counts as drained.
//!
//! *Wake-up.* The waiter registers its listener, then looks at DRAINED; the finisher sets DRAINED, then
//! notifies. The event puts a sequentially consistent fence after registering and before looking for
//! listeners, so either the waiter sees the flag or the finisher sees the listener.
//!
//! *Memory.* The thread that goes out last, or is late, still reads the word afterwards. It may: a
//! [`Lease`] owns an `Arc` that it drops after leaving, and everyone else borrows from one.
//!
//! # Orderings, and why each is enough
//!
//! | step | ordering | because |
//! |---|---|---|
//! | enter: both looks | acquire | a refused caller must see what the closer did before closing: it looks the name up again, and has to find the newer generation |
//! | enter: count in | relaxed | the fence orders it against the look; the sums read it after the going out, which is a release |
//! | leave: count out | release | what was done under the lease happens before the hook |
//! | close: set CLOSED | release | the other half of enter's acquire |
//! | claim: read the counts | acquire | the other half of leave's release, for every leave |
//! | claim: exchange | acquire, release | the hook's thread may be another than the closer's |
//! | finish: set DRAINED | release | what the hook did happens before a waiter goes on |
//! | is it drained? | acquire | the other half |
//!
//! What needs a total order over several places (a count and the word) is ordered by the fences.

mod leased;
#[cfg(all(loom, test))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
mod word;

pub use leased::{Closed, Lease, Leased, Pass};
pub(super) use word::{Claim, Refused, Word};
