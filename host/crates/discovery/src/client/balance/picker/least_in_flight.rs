//! The member with the fewest calls in flight.

use std::sync::Arc;

use super::{PickRequest, Picker, Strategy};
use crate::client::balance::{Dice, Member};

/// The endpoint with the fewest calls of this client in flight for its weight; of several, one by chance.
/// Looks at every endpoint for each pick; for hundreds of endpoints [`P2c`](super::P2c) is quicker and
/// nearly as good.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeastInFlight;

impl Strategy for LeastInFlight {
    fn picker(&self, _members: &[Arc<Member>], _dice: &Dice) -> Box<dyn Picker> {
        Box::new(Self)
    }
}

impl Picker for LeastInFlight {
    fn pick(&self, members: &[Arc<Member>], request: &PickRequest<'_>) -> Option<usize> {
        // From a place by chance, the first of the least: among equals that is not quite even, if some
        // places between them are taken, and it takes one number only.
        let start = request.dice.below(members.len());
        (start..members.len()).chain(0..start).reduce(|best, at| {
            let [best_member, member] = [&members[best], &members[at]];
            if load(member) * u64::from(best_member.weight())
                < load(best_member) * u64::from(member.weight())
            {
                at
            } else {
                best
            }
        })
    }
}

/// The calls in flight, with the one that is to be placed: so weights count among idle members too.
fn load(member: &Member) -> u64 {
    u64::from(member.in_flight()) + 1
}
