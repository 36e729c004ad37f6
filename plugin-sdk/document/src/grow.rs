//! The growth of buffers: large ones grow by a quarter, instead of doubling.

/// From this capacity on a buffer grows by a quarter.
const LARGE: usize = 1 << 20;

/// Reserves `more` bytes. A small buffer doubles, like a `Vec`; a large one grows by a quarter, so
/// that little more is reserved than used. (Allocators move large blocks without a copy.)
pub fn reserve(out: &mut Vec<u8>, more: usize) {
    if out.capacity() - out.len() >= more {
        return;
    }
    if out.capacity() < LARGE {
        out.reserve(more);
    } else {
        let quarter = out.capacity() + out.capacity() / 4 - out.len();
        out.reserve_exact(quarter.max(more));
    }
}

/// The limit of repetitions, in bytes, for an input of `input` bytes: of aliases, or of names that
/// are repeated in every row. It is one and a half times the length of the input plus 8 MiB.
///
/// Codecs refuse an input that exceeds it, so that a small input cannot become a document that
/// fills the memory. A document may be in the memory of three components and of the host at once, when one
/// of them asks a codec to read it and another one to write it.
#[must_use]
pub fn repeats(input: usize) -> usize {
    input.saturating_add(input / 2).saturating_add(8 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_grow_by_a_quarter() {
        let mut out = Vec::new();
        let mut grown = 0;
        for _ in 0..10 << 20 {
            let before = out.capacity();
            reserve(&mut out, 1);
            grown += usize::from(out.capacity() != before);
            out.push(0);
        }
        assert!(out.capacity() <= out.len() * 5 / 4 + 1, "{}", out.capacity());
        assert!(grown < 60, "{grown}");
    }
}
