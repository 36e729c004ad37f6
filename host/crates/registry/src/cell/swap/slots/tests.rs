use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use super::{SLOTS, Slots};
use crate::Swap;
use crate::cell::step::delayed;

/// Knows whether it was dropped, and counts those that are there.
struct Value {
    number: usize,
    alive: AtomicBool,
    there: Arc<AtomicUsize>,
}

impl Value {
    fn new(number: usize, there: &Arc<AtomicUsize>) -> Arc<Self> {
        there.fetch_add(1, SeqCst);
        Arc::new(Self { number, alive: AtomicBool::new(true), there: Arc::clone(there) })
    }

    fn check(&self) -> usize {
        assert!(self.alive.load(SeqCst), "value {} was dropped while it was read", self.number);
        self.number
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.alive.store(false, SeqCst);
        self.there.fetch_sub(1, SeqCst);
    }
}

#[test]
fn a_value_goes_when_its_last_reader_leaves() {
    let there = Arc::new(AtomicUsize::new(0));
    let slots = Slots::new(Value::new(1, &there));
    let held = slots.read().expect("current");
    slots.write().publish(Value::new(2, &there));
    assert_eq!((held.check(), there.load(SeqCst)), (1, 2));
    drop(held);
    assert_eq!(there.load(SeqCst), 1);
    assert_eq!(slots.read().expect("current").check(), 2);
}

#[test]
fn a_cancelled_write_changes_nothing() {
    let there = Arc::new(AtomicUsize::new(0));
    let slots = Slots::new(Value::new(1, &there));
    let write = slots.write();
    assert!(slots.read().is_none(), "a write is under way");
    write.cancel();
    assert_eq!(slots.read().expect("current").check(), 1);
}

#[test]
fn the_last_reader_empties_a_slot_while_a_write_is_under_way() {
    let there = Arc::new(AtomicUsize::new(0));
    let slots = Slots::new(Value::new(1, &there));
    let held = slots.read().expect("current");
    slots.write().publish(Value::new(2, &there));
    let write = slots.write();
    drop(held);
    assert_eq!(there.load(SeqCst), 1, "the reader needs no lock to drop the old value");
    write.publish(Value::new(3, &there));
    assert_eq!(slots.read().expect("current").check(), 3);
}

/// Stores the next value under a reader of the one before, `more` times.
fn nest(swap: &Swap<Value>, there: &Arc<AtomicUsize>, more: usize) {
    swap.peek(|value| {
        let number = value.check();
        if more > 0 {
            swap.store(Value::new(number + 1, there));
            assert_eq!(swap.load().check(), number + 1);
            nest(swap, there, more - 1);
        }
        assert_eq!(value.check(), number);
    });
}

#[test]
fn without_a_free_slot_values_are_read_all_the_same() {
    let there = Arc::new(AtomicUsize::new(0));
    let swap = Swap::from_arc(Value::new(0, &there));
    nest(&swap, &there, SLOTS * 2);
    // The values that found no slot were never held by one.
    assert_eq!(there.load(SeqCst), 1, "a value outlived its readers");
    swap.store(Value::new(100, &there));
    assert!(swap.slots.read().is_some_and(|value| value.check() == 100), "the slots are back");
}

#[test]
fn readers_held_up_at_every_step_read_live_values_in_order() {
    const READERS: u64 = 3;
    const STORES: usize = 2_000;
    let there = Arc::new(AtomicUsize::new(0));
    let swap = Swap::from_arc(Value::new(0, &there));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for reader in 1..=READERS {
            let (swap, over) = (&swap, &over);
            scope.spawn(move || {
                delayed(reader, || {
                    let mut newest = 0;
                    while !over.load(SeqCst) {
                        let peeked = swap.peek(|value| value.check());
                        assert!(peeked >= newest, "read {peeked} after {newest}");
                        let loaded = swap.load().check();
                        assert!(loaded >= peeked, "loaded {loaded} after {peeked}");
                        newest = loaded;
                    }
                });
            });
        }
        delayed(READERS + 1, || {
            for number in 1..=STORES {
                swap.store(Value::new(number, &there));
            }
        });
        over.store(true, SeqCst);
    });
    assert_eq!(there.load(SeqCst), 1, "only the last value is left");
    drop(swap);
    assert_eq!(there.load(SeqCst), 0);
}
