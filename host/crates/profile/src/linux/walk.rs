//! Follows frame pointers.
//!
//! A function that keeps a frame pointer stores at the address in that register its caller's frame pointer, and after
//! that the address to which it returns; on both architectures alike. Callers' frames are at higher addresses.
//! Where a function uses the register for something else, the chain ends, or leads through words that are no frame:
//! those are addresses without a meaning at the end of a stack.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How far from the stack pointer a frame may be: the largest stack that is followed.
const MAX_STACK: usize = 64 << 20;
const WORD: usize = size_of::<usize>();
/// The bits of an address: the others may sign a return address (`aarch64`).
const ADDRESS: usize = if cfg!(target_arch = "aarch64") { (1 << 48) - 1 } else { usize::MAX };

/// The registers of an interrupted thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registers {
    /// The address of the next instruction.
    pub(super) instruction: usize,
    pub(super) frame: usize,
    pub(super) stack: usize,
}

/// Reads memory.
pub(super) trait Memory {
    /// Copies words from `address` on, and returns how many. It is 0 if there is no memory.
    fn read(&self, address: usize, to: &[AtomicUsize]) -> usize;
}

/// Passes to `push` the interrupted instruction, and then the addresses to which its callers return, until there is
/// none or `push` returns false. `window` is for what is read of the stack. Never panics.
pub(super) fn walk(
    from: Registers,
    memory: &impl Memory,
    window: &[AtomicUsize],
    mut push: impl FnMut(usize) -> bool,
) {
    if !push(from.instruction) {
        return;
    }
    let top = from.stack.saturating_add(MAX_STACK);
    let (mut frame, mut lowest) = (from.frame, from.stack);
    // What the window holds: its address, and how many words.
    let (mut start, mut words) = (0, 0);
    while frame >= lowest && frame < top && frame % WORD == 0 {
        let end = start + words * WORD;
        if frame < start || frame.saturating_add(2 * WORD) > end {
            words = memory.read(frame, window);
            start = frame;
        }
        let at = (frame - start) / WORD;
        // The next words were not read, or there is no memory.
        if at + 1 >= words {
            return;
        }
        let word = |at: usize| window.get(at).map_or(0, |word| word.load(Relaxed));
        let (next, returns) = (word(at), word(at + 1) & ADDRESS);
        if returns == 0 || !push(returns) {
            return;
        }
        lowest = frame + 2 * WORD;
        frame = next;
    }
}
