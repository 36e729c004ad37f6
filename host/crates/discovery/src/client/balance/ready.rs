//! The endpoints that may be called now, and the picker that was made for them.

use std::sync::Arc;

use plugbay_guard::Permit;

use super::pick::Held;
use super::{Dice, Member, Pick, PickError, PickRequest, Picker, now};

/// How often the picker is asked for an endpoint that was not tried before the set is searched in order.
const ATTEMPTS: usize = 3;

/// An immutable set of endpoints. It may contain endpoints whose breakers are half-open.
#[derive(Debug)]
pub struct ReadySet {
    members: Box<[Arc<Member>]>,
    picker: Box<dyn Picker>,
    /// Whether breakers and ejections are ignored, because too many endpoints are bad.
    panic: bool,
}

impl ReadySet {
    pub(super) fn new(members: Box<[Arc<Member>]>, picker: Box<dyn Picker>, panic: bool) -> Self {
        Self { members, picker, panic }
    }

    /// The endpoints.
    #[must_use]
    pub fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// Whether too many endpoints are bad, so that all are called.
    #[must_use]
    pub fn is_panicking(&self) -> bool {
        self.panic
    }

    #[inline]
    pub(super) fn pick(
        &self,
        key: Option<&[u8]>,
        tried: &[Arc<Member>],
        dice: &Dice,
    ) -> Result<Pick, PickError> {
        let request = PickRequest { key, dice };
        let chosen = self.picker.pick(&self.members, &request);
        let Some(member) = chosen.and_then(|chosen| self.members.get(chosen)) else {
            return Err(PickError::NoEndpoints);
        };
        if tried.is_empty() && (member.guard().is_clear() || self.panic) {
            return Ok(Pick::new(member, None));
        }
        Ok(self.pick_admitted(member, tried, &request))
    }

    /// The chosen endpoint was tried before, or its breaker counts failures.
    #[cold]
    fn pick_admitted(
        &self,
        chosen: &Arc<Member>,
        tried: &[Arc<Member>],
        request: &PickRequest<'_>,
    ) -> Pick {
        let is_new = |member: &Arc<Member>| !tried.iter().any(|tried| tried.is_same(member));
        // The picker's own choices first, because they keep its distribution.
        let again = std::iter::repeat_with(|| {
            let chosen = self.picker.pick(&self.members, request)?;
            self.members.get(chosen)
        });
        let start = request.dice.below(self.members.len());
        let (before, from) = self.members.split_at(start);
        let candidates = std::iter::once(chosen)
            .chain(again.take(ATTEMPTS).flatten())
            .chain(from)
            .chain(before)
            .filter(|member| is_new(member));
        let mut first_new = None;
        for member in candidates {
            first_new = first_new.or(Some(member));
            if self.panic {
                return Pick::new(member, None);
            }
            if let Ok(admitted) = Permit::acquire(Held(Arc::clone(member)), now()) {
                let probe = admitted.permit.is_probe().then_some(admitted.permit);
                return Pick::new(member, probe);
            }
        }
        // No breaker admits the call: rather a bad endpoint than none.
        Pick::new(first_new.unwrap_or(chosen), None)
    }
}
