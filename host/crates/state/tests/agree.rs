//! Both stores give the same answers to the same requests, whatever the names, the values and the quotas; and what
//! plugins keep is never more than their quota.

use plugbay_state::{
    Answer, Fingerprint, MemoryStore, Operation, Quota, Request, SqliteStore, StateError, Store,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Names that mean something to files, to SQL, to C or to Redis, and some that are close to each other.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "a",
            "a\0",
            "a\0b",
            "A",
            "../a",
            "a/b",
            "a:b",
            "a*",
            "%",
            "_",
            "'",
            "\"",
            "a' OR '1'='1",
            "\u{e9}",
            "e\u{301}",
            "\u{10ffff}",
            "",
        ])
        .prop_map(str::to_owned),
        "[ab]{1,2}",
        any::<String>(),
        (1000usize..1100).prop_map(|length| "k".repeat(length)),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..40),
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        vec(name(), 0..4).prop_map(Operation::Get),
        name().prop_map(Operation::Exists),
        vec((name(), value()), 0..4).prop_map(Operation::Set),
        vec(name(), 0..3).prop_map(Operation::Delete),
        (name(), any::<i64>(), any::<bool>()).prop_map(|(key, delta, signed)| {
            let range =
                if signed { (i64::MIN.into(), i64::MAX.into()) } else { (0, u64::MAX.into()) };
            Operation::Increment { key, delta: delta.into(), range }
        }),
        (name(), proptest::option::of(value()), value()).prop_map(|(key, expected, value)| {
            Operation::Swap { key, expected: expected.as_deref().map(Fingerprint::of), value }
        }),
        proptest::option::of(name()).prop_map(Operation::List),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let plugin = prop::sample::select(vec!["p", "q", "p\0", "../p"]);
    let quota = (0u64..6, 0u64..40, 0u64..200);
    (plugin, name(), quota, operation()).prop_map(
        |(plugin, bucket, (keys, value, total), operation)| Request {
            plugin: plugin.into(),
            bucket: bucket.into(),
            quota: Quota { keys, value, total, answer: 60 },
            operation,
        },
    )
}

fn run(store: &mut dyn Store, request: &Request) -> Result<Answer, StateError> {
    store.begin().unwrap();
    let answer = store.run(request);
    store.commit().unwrap();
    answer
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn both_stores_agree_and_refusals_change_nothing(requests in vec(request(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let mut file = SqliteStore::open(&folder.path().join("state.db")).unwrap();
        let mut memory = MemoryStore::default();
        for request in &requests {
            let list = Request { operation: Operation::List(None), ..request.clone() };
            let before = run(&mut memory, &list);
            let found = run(&mut memory, request);
            prop_assert_eq!(&run(&mut file, request), &found, "{:?}", request);
            let after = run(&mut memory, &list);
            prop_assert_eq!(&run(&mut file, &list), &after);
            if found.is_err() {
                prop_assert_eq!(before, after);
            }
            if let (Ok(Answer::Done), Operation::Set(entries)) = (&found, &request.operation) {
                let kept: u64 = entries.iter().map(|(_, value)| value.len() as u64).max().unwrap_or(0);
                prop_assert!(kept <= request.quota.value);
            }
        }
    }
}
