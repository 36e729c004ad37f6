//! Each member with the same probability.

use std::sync::Arc;

use super::{PickRequest, Picker, Strategy};
use crate::client::balance::{Dice, Member};

/// Each endpoint with the same probability, whatever was chosen before. Weights are ignored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl Strategy for Random {
    fn picker(&self, _members: &[Arc<Member>], _dice: &Dice) -> Box<dyn Picker> {
        Box::new(Self)
    }
}

impl Picker for Random {
    #[inline]
    fn pick(&self, members: &[Arc<Member>], request: &PickRequest<'_>) -> Option<usize> {
        (!members.is_empty()).then(|| request.dice.below(members.len()))
    }
}
