//! The slots under loom. The value is a cell that loom watches: it is read under a pass, and accessed
//! exclusively when it is dropped, so a value that goes while it is read fails the model.
//!
//! The `ArcSwap` is no part of the models: a read that finds no current slot counts as answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use loom::cell::UnsafeCell;
use loom::thread;

use super::Slots;
use crate::cell::counts::numbered;

struct Value {
    cell: UnsafeCell<u32>,
    drops: Arc<AtomicUsize>,
}

// SAFETY: loom itself checks every access to the cell.
unsafe impl Sync for Value {}

impl Value {
    fn new(number: u32, drops: &Arc<AtomicUsize>) -> Arc<Self> {
        Arc::new(Self { cell: UnsafeCell::new(number), drops: Arc::clone(drops) })
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.cell.with_mut(|_| ());
        self.drops.fetch_add(1, SeqCst);
    }
}

fn read(slots: &Slots<Value>) -> Option<u32> {
    slots.read().map(|value| {
        value.cell.with(|number| {
            // SAFETY: loom checks that nobody writes meanwhile.
            unsafe { *number }
        })
    })
}

#[test]
fn loom_a_value_that_is_read_stays() {
    loom::model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let slots = Arc::new(Slots::new(Value::new(1, &drops)));
        let reader = Arc::clone(&slots);
        let user = thread::spawn(move || numbered(1, || read(&reader)));
        slots.write().publish(Value::new(2, &drops));
        let seen = user.join().expect("no panic");
        assert!(matches!(seen, None | Some(1 | 2)), "{seen:?}");
        assert_eq!(drops.load(SeqCst), 1, "the old value went, and only it");
        assert_eq!(read(&slots), Some(2));
    });
}

#[test]
fn loom_a_slot_that_is_used_again_shows_its_new_value() {
    // Two slots in turns: the second store reuses the first one while a reader may be held up.
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let slots = Arc::new(Slots::new(Value::new(1, &drops)));
        let reader = Arc::clone(&slots);
        let user = thread::spawn(move || {
            numbered(1, || {
                let first = read(&reader);
                let second = read(&reader);
                if let (Some(first), Some(second)) = (first, second) {
                    assert!(first <= second, "time ran backwards: {first}, {second}");
                }
            });
        });
        slots.write().publish(Value::new(2, &drops));
        slots.write().publish(Value::new(3, &drops));
        user.join().expect("no panic");
        // If the reader held the first slot until the end, the third value found none.
        match read(&slots) {
            Some(number) => assert_eq!((number, drops.load(SeqCst)), (3, 2)),
            None => assert_eq!(drops.load(SeqCst), 3),
        }
    });
}
