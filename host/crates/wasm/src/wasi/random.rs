//! `wasi:random`: with the grant the host's random numbers; without it, a fixed sequence, the same
//! in each instance.

use plugbay_core::Grant;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::random::WasiRandomCtx;

use super::Wasi;
use crate::sandbox::state::State;

/// The most random bytes of one call.
const MAX_BYTES: u64 = 1 << 20;

/// Numbers that look random and are always the same: the generator `SplitMix64` from the seed
/// zero.
#[derive(Debug, Default)]
pub(super) struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let words = std::iter::repeat_with(|| self.next().to_le_bytes());
        words.flatten().take(len).collect()
    }
}

/// The source of random numbers.
enum Source<'a> {
    Host(&'a mut WasiRandomCtx),
    Fixed(&'a mut Sequence),
}

impl State {
    fn random(&mut self) -> wasmtime::Result<Source<'_>> {
        self.host_call()?;
        let granted = self.sandbox.grants().random;
        if !granted {
            self.sandbox.deny(Grant::Random, "read random numbers");
        }
        let Wasi { context, random, .. } = self.wasi();
        Ok(if granted { Source::Host(context.random()) } else { Source::Fixed(random) })
    }
}

fn bounded(len: u64) -> wasmtime::Result<usize> {
    let bounded = usize::try_from(len).ok().filter(|_| len <= MAX_BYTES);
    bounded.ok_or_else(|| {
        wasmtime::format_err!(
            "expected a request for at most {MAX_BYTES} random bytes, found {len}"
        )
    })
}

impl random::Host for State {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        let bounded = bounded(len)?;
        match self.random()? {
            Source::Host(random) => random::Host::get_random_bytes(random, len),
            Source::Fixed(sequence) => Ok(sequence.bytes(bounded)),
        }
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        match self.random()? {
            Source::Host(random) => random::Host::get_random_u64(random),
            Source::Fixed(sequence) => Ok(sequence.next()),
        }
    }
}

impl insecure::Host for State {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        random::Host::get_random_bytes(self, len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        random::Host::get_random_u64(self)
    }
}

impl insecure_seed::Host for State {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        match self.random()? {
            Source::Host(random) => insecure_seed::Host::insecure_seed(random),
            Source::Fixed(sequence) => Ok((sequence.next(), sequence.next())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_fixed() {
        // The generator's published first numbers from the seed zero.
        let mut sequence = Sequence::default();
        assert_eq!(sequence.next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(sequence.next(), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!(Sequence::default().bytes(3), [0xaf, 0xcd, 0x1d]);
    }
}
