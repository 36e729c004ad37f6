//! The same member for the same key.

use std::sync::Arc;

use plugbay_guard::pick_by_key;

use super::{PickRequest, Picker, Strategy};
use crate::client::balance::{Dice, Member};

/// Consistent hashing with bounded loads: the same key goes to the same endpoint, from every client. When
/// an endpoint joins, it takes over its share of the keys, and no other key moves; when one leaves, only
/// its keys move. No endpoint gets more than [`bound`](Self::bound) times its share of this client's calls
/// in flight: what is above goes to the next endpoint in the key's own order. A call without a key goes
/// to an endpoint by chance.
///
/// The hash is weighted rendezvous hashing (see [`plugbay_guard::pick_among`]), which moves no key that
/// need not move, keeps shares exactly, and has nothing to prepare; a pick looks at every endpoint. The
/// bound: Mirrokni, Thorup, Zadimoghaddam, "Consistent hashing with bounded loads", SODA 2018.
#[derive(Clone, Copy, Debug)]
pub struct ConsistentHash {
    /// How many times its share an endpoint may get: above 1. Near 1 loads are even and keys move more;
    /// with [`f64::INFINITY`] no key moves because of load.
    pub bound: f64,
}

impl Default for ConsistentHash {
    /// A bound of 1.25.
    fn default() -> Self {
        Self { bound: 1.25 }
    }
}

impl Strategy for ConsistentHash {
    fn picker(&self, members: &[Arc<Member>], _dice: &Dice) -> Box<dyn Picker> {
        let weight = members.iter().map(|member| f64::from(member.weight())).sum();
        // Below 1 no member might have room.
        Box::new(Hash { bound: self.bound.max(1.0), weight })
    }
}

#[derive(Debug)]
struct Hash {
    bound: f64,
    /// Of all members.
    weight: f64,
}

impl Picker for Hash {
    fn pick(&self, members: &[Arc<Member>], request: &PickRequest<'_>) -> Option<usize> {
        let Some(key) = request.key else {
            return (!members.is_empty()).then(|| request.dice.below(members.len()));
        };
        let all: f64 = members.iter().map(|member| f64::from(member.in_flight())).sum();
        // With the call that is to be placed.
        let per_weight = self.bound * (all + 1.0) / self.weight;
        let providers = members.iter().map(|member| {
            let provider = member.provider();
            let capacity = (per_weight * f64::from(provider.weight)).ceil();
            let has_room = f64::from(member.in_flight()) < capacity;
            (provider.name, if has_room { provider.weight } else { 0 })
        });
        pick_by_key(providers, key)
    }
}
