//! The ways to choose an endpoint.
//!
//! A [`Strategy`] is what a program configures. It makes a [`Picker`] for each ready set, so a picker can
//! prepare what it needs for exactly that set, and needs no lock. (gRPC splits load balancing policies
//! in the same way.)

mod hash;
mod least_in_flight;
mod p2c;
mod random;
mod round_robin;
mod weighted;

use std::fmt::Debug;
use std::sync::Arc;

use super::{Dice, Member};

pub use hash::ConsistentHash;
pub use least_in_flight::LeastInFlight;
pub use p2c::P2c;
pub use random::Random;
pub use round_robin::RoundRobin;
pub use weighted::Weighted;

/// How endpoints are chosen.
pub trait Strategy: Debug + Send + Sync + 'static {
    /// A picker for exactly these members.
    fn picker(&self, members: &[Arc<Member>], dice: &Dice) -> Box<dyn Picker>;
}

/// Chooses among the members that it was made for.
pub trait Picker: Debug + Send + Sync + 'static {
    /// The position of the chosen member; `None` only if there are no members.
    fn pick(&self, members: &[Arc<Member>], request: &PickRequest<'_>) -> Option<usize>;
}

/// What a choice may go by, besides the members.
#[derive(Clone, Copy, Debug)]
pub struct PickRequest<'a> {
    /// The key of the call, for consistent hashing.
    pub key: Option<&'a [u8]>,
    /// Random numbers.
    pub dice: &'a Dice,
}

#[cfg(test)]
mod tests;
