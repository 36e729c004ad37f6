//! How output grows: in proportion to what is there, not by doubling it.

/// From here on a buffer grows by a quarter.
const LARGE: usize = 1 << 20;

/// Makes room for `more` bytes. A small buffer doubles as a `Vec` does; a large one grows by a
/// quarter, so that what is reserved stays near what is used. (Allocators move large blocks without
/// a copy.)
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

/// How many bytes an input of `input` bytes may stand for more than once, by aliases or by names
/// that every row repeats: one and a half times its length and 16 MiB.
///
/// Codecs refuse an input beyond, so that a small one cannot become a document that fills the
/// memory.
#[must_use]
pub fn repeats(input: usize) -> usize {
    input.saturating_add(input / 2).saturating_add(16 << 20)
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
