//! What goes wrong, and when, by a seed.

use std::time::Duration;

use fastrand::Rng;

/// How many clients there are.
pub(crate) const CLIENTS: usize = 20;
/// How long things go wrong.
pub(crate) const TROUBLE: Duration = Duration::from_secs(40);

/// Something that goes wrong. Clients go by their numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Nothing passes between a client and the directory.
    Partition(usize),
    /// It passes again.
    Repair(usize),
    /// What passes between a client and the directory takes up to this long.
    Slow(usize, Duration),
    /// A client's process is killed, and its endpoint with it.
    Crash(usize),
    /// It starts again.
    Restart(usize),
    /// A client leaves in order.
    Leave(usize),
    /// The directory is killed, and starts again without anything.
    RestartDirectory,
    /// The directory's wall clock jumps by so many seconds.
    Jump(i64),
}

/// The faults of a seed, by time.
pub(crate) fn plan(seed: u64) -> Vec<(Duration, Fault)> {
    let mut random = Rng::with_seed(seed);
    let mut faults = Vec::new();
    let mut is_down = [false; CLIENTS];
    let mut at = Duration::from_secs(3);
    while at < TROUBLE {
        let client = random.usize(..CLIENTS);
        let later = at + Duration::from_millis(random.u64(500..12_000));
        match random.u32(..100) {
            0..30 => {
                faults.push((at, Fault::Partition(client)));
                faults.push((later, Fault::Repair(client)));
            }
            30..50 => {
                let latency = Duration::from_millis(random.u64(20..800));
                faults.push((at, Fault::Slow(client, latency)));
            }
            // Each client crashes or leaves once at most, so that the plan needs no state of the run.
            50..75 if !is_down[client] => {
                is_down[client] = true;
                faults.push((at, Fault::Crash(client)));
                if random.bool() {
                    faults.push((later, Fault::Restart(client)));
                }
            }
            75..85 if !is_down[client] => {
                is_down[client] = true;
                faults.push((at, Fault::Leave(client)));
            }
            85..90 => faults.push((at, Fault::RestartDirectory)),
            _ => faults.push((at, Fault::Jump(random.i64(-4_000..4_000)))),
        }
        at += Duration::from_millis(random.u64(100..2_500));
    }
    faults.sort_by_key(|(at, _)| *at);
    faults
}
