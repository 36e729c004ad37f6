//! The guard's word: packing and unpacking.
//!
//! ```text
//!  bit  63     62 61   60    59 ....................................... 0
//!       health state   held  closed     │ 28 unused │ failures 32            │
//!                            open       │ 15 unused │ doublings 5 │ until 40 │
//!                            half-open  │ doublings 5 │ episode 39 │ probes 8 │ successes 8
//! ```

const UNHEALTHY: u64 = 1 << 63;
const STATE: u32 = 61;
const OPEN: u64 = 1;
const HALF_OPEN: u64 = 2;
const HELD: u64 = 1 << 60;
/// 40 bits. As milliseconds since the guard's start they last 34 years.
const WIDE: u64 = (1 << 40) - 1;
/// 39 bits: these numbers never run out.
const EPISODES: u64 = (1 << 39) - 1;
const DOUBLINGS: u64 = (1 << 5) - 1;

/// The number of one half-open period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Episode(u64);

impl Episode {
    pub(super) fn numbered(number: u64) -> Self {
        Self(number & EPISODES)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) unhealthy: bool,
    /// Whether an operator holds back all calls.
    pub(super) held: bool,
    pub(super) breaker: Breaker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breaker {
    Closed {
        failures: u32,
    },
    /// `until` is in milliseconds since the guard's start.
    Open {
        until: u64,
        doublings: u8,
    },
    HalfOpen {
        episode: Episode,
        probes: u8,
        successes: u8,
        doublings: u8,
    },
}

impl Word {
    pub(super) fn with(self, breaker: Breaker) -> Self {
        Self { breaker, ..self }
    }

    pub(super) fn pack(self) -> u64 {
        let doubled = |doublings: u8| u64::from(doublings).min(DOUBLINGS);
        let bits = match self.breaker {
            Breaker::Closed { failures } => u64::from(failures),
            Breaker::Open { until, doublings } => {
                OPEN << STATE | doubled(doublings) << 40 | until.min(WIDE)
            }
            Breaker::HalfOpen { episode, probes, successes, doublings } => {
                HALF_OPEN << STATE
                    | doubled(doublings) << 55
                    | episode.0 << 16
                    | u64::from(probes) << 8
                    | u64::from(successes)
            }
        };
        let flag = |is_set: bool, bit: u64| if is_set { bit } else { 0 };
        bits | flag(self.unhealthy, UNHEALTHY) | flag(self.held, HELD)
    }

    pub(super) fn unpack(bits: u64) -> Self {
        let [low, second, ..] = bits.to_le_bytes();
        let doublings = |shift: u32| (bits >> shift & DOUBLINGS) as u8;
        let breaker = match bits >> STATE & 3 {
            OPEN => Breaker::Open { until: bits & WIDE, doublings: doublings(40) },
            HALF_OPEN => Breaker::HalfOpen {
                episode: Episode(bits >> 16 & EPISODES),
                probes: second,
                successes: low,
                doublings: doublings(55),
            },
            #[expect(clippy::cast_possible_truncation, reason = "the count has 32 bits")]
            _ => Breaker::Closed { failures: bits as u32 },
        };
        Self { unhealthy: bits & UNHEALTHY != 0, held: bits & HELD != 0, breaker }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn breakers() -> impl Strategy<Value = Breaker> {
        let doublings = 0..32_u8;
        prop_oneof![
            any::<u32>().prop_map(|failures| Breaker::Closed { failures }),
            (0..=WIDE, doublings.clone())
                .prop_map(|(until, doublings)| Breaker::Open { until, doublings }),
            (any::<u64>(), any::<u8>(), any::<u8>(), doublings).prop_map(
                |(number, probes, successes, doublings)| Breaker::HalfOpen {
                    episode: Episode::numbered(number),
                    probes,
                    successes,
                    doublings,
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(unhealthy: bool, held: bool, breaker in breakers()) {
            let word = Word { unhealthy, held, breaker };
            prop_assert_eq!(Word::unpack(word.pack()), word);
        }
    }

    #[test]
    fn nothing_wrong_is_zero_and_only_that() {
        let clear =
            Word { unhealthy: false, held: false, breaker: Breaker::Closed { failures: 0 } };
        assert_eq!(clear.pack(), 0);
        assert_eq!(Word::unpack(0), clear);
        let open = clear.with(Breaker::Open { until: 0, doublings: 0 });
        assert_ne!(open.pack(), 0);
        assert_ne!(Word { held: true, ..clear }.pack(), 0);
    }

    #[test]
    fn what_is_too_large_stays_at_the_most() {
        let breaker = Breaker::Open { until: u64::MAX, doublings: 99 };
        let far = Word { unhealthy: false, held: false, breaker };
        let most = Breaker::Open { until: WIDE, doublings: 31 };
        assert_eq!(Word::unpack(far.pack()).breaker, most);
    }
}
