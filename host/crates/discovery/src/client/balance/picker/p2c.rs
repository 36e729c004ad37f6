//! The better of two members.

use std::sync::Arc;

use super::{PickRequest, Picker, Strategy};
use crate::client::balance::{Dice, Member};

/// The power of two choices: of two endpoints by chance, the one with the lesser load. Never the worst,
/// at a cost that does not depend on the number of endpoints, and without the stampede to the one best
/// that all clients see. (Mitzenmacher, "The power of two choices in randomized load balancing", IEEE
/// TPDS 12(10), 2001.)
///
/// The load is the time that the calls in flight, and one more, would take: their number times the peak-
/// sensitive average latency, for the endpoint's weight. So load moves away from a slow endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct P2c;

impl Strategy for P2c {
    fn picker(&self, _members: &[Arc<Member>], _dice: &Dice) -> Box<dyn Picker> {
        Box::new(Self)
    }
}

impl Picker for P2c {
    #[inline]
    fn pick(&self, members: &[Arc<Member>], request: &PickRequest<'_>) -> Option<usize> {
        if members.len() < 2 {
            return members.len().checked_sub(1);
        }
        let (first, second) = request.dice.two_below(members.len());
        let quicker = cost(&members[second]) < cost(&members[first]);
        Some(if quicker { second } else { first })
    }
}

#[inline]
fn cost(member: &Member) -> f64 {
    member.latency() * (f64::from(member.in_flight()) + 1.0) / f64::from(member.weight())
}
