//! What a file keeps: over a restart, over `kill -9` at any point, and between processes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use plugbay_state::{
    Answer, Fingerprint, MAX_BUCKET, MAX_ENTRIES, MAX_KEY, Operation, PAGE, Quota, Request,
    SqliteStore, StateError, States, StoreError,
};

const LARGE: u64 = 1 << 30;
const QUOTA: Quota = Quota { keys: LARGE, value: LARGE, total: LARGE, answer: LARGE };
const ALL: (i128, i128) = (i64::MIN as i128, i64::MAX as i128);

fn request(operation: Operation) -> Request {
    Request { plugin: "counter".into(), bucket: "hits".into(), quota: QUOTA, operation }
}

fn open(file: &Path) -> States {
    States::of(SqliteStore::open(file).unwrap())
}

fn increment(key: &str) -> Request {
    request(Operation::Increment { key: key.into(), delta: 1, range: ALL })
}

fn set(key: &str, value: &[u8]) -> Operation {
    Operation::Set(vec![(key.into(), value.into())])
}

async fn get(states: &States, key: &str) -> Option<Vec<u8>> {
    match states.run(request(Operation::Get(vec![key.into()]))).await.unwrap() {
        Answer::Values(mut values) => values.pop().unwrap(),
        other => panic!("expected values, found {other:?}"),
    }
}

/// Runs the test on both stores.
async fn on_both<F: AsyncFn(States)>(test: F) {
    test(States::of(plugbay_state::MemoryStore::default())).await;
    let folder = tempfile::tempdir().unwrap();
    test(open(&folder.path().join("state.db"))).await;
}

#[tokio::test]
async fn a_restart_finds_what_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/folder/state.db");
    assert_eq!(open(&file).run(increment("n")).await, Ok(Answer::Number(1)));
    let again = open(&file);
    assert_eq!(again.run(increment("n")).await, Ok(Answer::Number(2)));
    assert_eq!(get(&again, "n").await, Some(b"2".to_vec()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn two_hosts_that_have_the_file_lose_no_increment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let (old, new) = (open(&file), open(&file));
    for _ in 0..100 {
        let (one, two) = tokio::join!(old.run(increment("n")), new.run(increment("n")));
        one.unwrap();
        two.unwrap();
    }
    assert_eq!(get(&old, "n").await, Some(b"200".to_vec()));
}

/// A process that counts, and says each number that was acknowledged.
#[test]
#[ignore = "the process that the next test kills"]
fn child() {
    let file = std::env::var_os("PLUGBAY_TEST_STATE").expect("the file");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let states = open(Path::new(&file));
    let mut out = std::io::stdout().lock();
    runtime.block_on(async {
        loop {
            let (a, b) = tokio::join!(states.run(increment("a")), states.run(increment("b")));
            let (Answer::Number(a), Answer::Number(b)) = (a.unwrap(), b.unwrap()) else {
                panic!("expected numbers")
            };
            writeln!(out, "ack {a} {b}").unwrap();
            out.flush().unwrap();
        }
    });
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_kill_9_at_50_random_points() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let mut random = fastrand::Rng::with_seed(14);
    let mut last = 0;
    for round in 0..50 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env("PLUGBAY_TEST_STATE", &file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // A point within the work: after a number of acknowledgements, and a part of the next one's time.
        let mut acknowledged = Vec::new();
        let wanted = random.usize(1..20);
        while acknowledged.len() < wanted {
            let line = lines.next().expect("the child counts").unwrap();
            acknowledged.extend(line.strip_prefix("ack ").map(str::to_owned));
        }
        std::thread::park_timeout(Duration::from_micros(random.u64(0..3000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let rest = lines.map_while(Result::ok);
        acknowledged.extend(rest.filter_map(|line| line.strip_prefix("ack ").map(str::to_owned)));
        let most = acknowledged.last().and_then(|it| it.split_once(' ')).unwrap();
        let most: (u64, u64) = (most.0.parse().unwrap(), most.1.parse().unwrap());
        let states = open(&file);
        for (key, most) in [("a", most.0), ("b", most.1)] {
            let found = String::from_utf8(get(&states, key).await.unwrap()).unwrap();
            let found: u64 = found.parse().unwrap();
            assert!(
                found == most || found == most + 1,
                "round {round}: {key} is {found}, acknowledged was {most}"
            );
            last = last.max(found);
        }
    }
    assert!(last >= 50);
}

#[tokio::test]
async fn a_file_of_another_kind_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "these are notes, and they are longer than a header of SQLite is: 100 bytes are enough, more or less").unwrap();
    let before = std::fs::read(&file).unwrap();
    let copy = file.clone();
    let states = States::opened_by(move || Ok(Box::new(SqliteStore::open(&copy)?)));
    for _ in 0..2 {
        let error = states.run(increment("n")).await.unwrap_err();
        assert_eq!(error.reason(), "file-foreign", "{error}");
        assert!(error.to_string().contains("notes.txt"), "{error}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_store_that_cannot_open_tells_each_caller_why() {
    let why = StoreError { reason: "disk-error", message: "no disk".into() };
    let given = why.clone();
    let states = States::opened_by(move || Err(given));
    for _ in 0..2 {
        assert_eq!(states.run(increment("n")).await, Err(StateError::Store(why.clone())));
    }
}

#[tokio::test]
async fn no_name_reaches_what_another_plugin_or_bucket_keeps() {
    on_both(async |states| {
        let names = [
            "",
            "hits",
            "../counter",
            "counter/hits",
            "counter\0hits",
            "\0",
            "'; DROP TABLE entry; --",
            "%",
            "*",
        ];
        let at = |plugin: &str, bucket: &str, operation| Request {
            plugin: plugin.into(),
            bucket: bucket.into(),
            quota: QUOTA,
            operation,
        };
        let mut all = Vec::new();
        for plugin in ["counter", "counter2", "../counter"] {
            for bucket in names {
                for key in names.iter().filter(|it| !it.is_empty()) {
                    all.push((plugin, bucket, *key, format!("{plugin}|{bucket}|{key}")));
                }
            }
        }
        for (plugin, bucket, key, value) in &all {
            states.run(at(plugin, bucket, set(key, value.as_bytes()))).await.unwrap();
        }
        for (plugin, bucket, key, value) in &all {
            let found = states.run(at(plugin, bucket, Operation::Get(vec![(*key).into()]))).await;
            assert_eq!(found, Ok(Answer::Values(vec![Some(value.clone().into())])));
            let Ok(Answer::Keys(listed)) =
                states.run(at(plugin, bucket, Operation::List(None))).await
            else {
                panic!("expected keys")
            };
            let mut expected: Vec<&str> = names[1..].to_vec();
            expected.sort_unstable();
            assert_eq!(listed.keys, expected);
        }
    })
    .await;
}

#[tokio::test]
async fn names_counts_and_values_have_limits() {
    on_both(async |states| {
        let reason = async |request: Request| states.run(request).await.map_err(|it| it.reason());
        let long = "k".repeat(MAX_KEY + 1);
        assert_eq!(reason(request(set(&long, b""))).await, Err("key"));
        assert_eq!(reason(request(set("", b""))).await, Err("key"));
        assert_eq!(reason(request(set(&long[1..], b""))).await, Ok(Answer::Done));
        let bucket = "b".repeat(MAX_BUCKET + 1).into();
        assert_eq!(reason(Request { bucket, ..request(set("k", b"")) }).await, Err("bucket-name"));
        let many = vec!["k".to_owned(); MAX_ENTRIES + 1];
        assert_eq!(reason(request(Operation::Get(many))).await, Err("too-many-entries"));
        let quota = Quota { value: 3, ..QUOTA };
        assert_eq!(
            reason(Request { quota, ..request(set("k", b"four")) }).await,
            Err("value-too-large")
        );
        assert_eq!(get(&states, "k").await, None);
        let quota = Quota { answer: 3, ..QUOTA };
        states.run(request(set("k", b"four"))).await.unwrap();
        let read = Operation::Get(vec!["k".into()]);
        assert_eq!(reason(Request { quota, ..request(read) }).await, Err("answer-too-large"));
    })
    .await;
}

#[tokio::test]
async fn a_refused_change_changes_nothing_and_room_can_be_made() {
    on_both(async |states| {
        let quota = Quota { keys: 2, value: 100, total: 20, answer: LARGE };
        let run = async |bucket: &str, operation| {
            let bucket = bucket.into();
            states.run(Request { bucket, quota, ..request(operation) }).await
        };
        let pairs = |keys: &[&str]| {
            Operation::Set(keys.iter().map(|it| ((*it).into(), b"12".to_vec())).collect())
        };
        // All or none; a key that is named twice counts once.
        let error = run("x", pairs(&["a", "b", "c"])).await.unwrap_err();
        assert_eq!(error, StateError::TooManyKeys { most: 2, found: 3 });
        run("x", pairs(&["a", "a"])).await.unwrap();
        // The quota is of the plugin, over all buckets.
        run("y", pairs(&["a"])).await.unwrap();
        assert_eq!(
            run("z", pairs(&["a"])).await,
            Err(StateError::TooManyKeys { most: 2, found: 3 })
        );
        // 3 bytes each are kept: 14 more are too many, 13 are not.
        assert_eq!(
            run("x", set("a", &[0; 17])).await,
            Err(StateError::TooManyBytes { most: 20, found: 21 })
        );
        assert_eq!(
            run("x", Operation::Get(vec!["a".into()])).await,
            Ok(Answer::Values(vec![Some(b"12".to_vec())]))
        );
        run("x", set("a", &[0; 16])).await.unwrap();
        // With less than what is kept allowed, what becomes smaller is allowed.
        let lowered = Quota { keys: 1, total: 5, ..quota };
        let shrink = Request { bucket: "x".into(), quota: lowered, ..request(set("a", b"1")) };
        assert_eq!(states.run(shrink).await, Ok(Answer::Done));
        run("y", Operation::Delete(vec!["a".into(), "none".into()])).await.unwrap();
        run("z", pairs(&["a"])).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn increments_are_bounded_and_exact() {
    on_both(async |states| {
        let add = async |delta, range| {
            states.run(request(Operation::Increment { key: "n".into(), delta, range })).await
        };
        assert_eq!(add(5, ALL).await, Ok(Answer::Number(5)));
        assert_eq!(add(-7, ALL).await, Ok(Answer::Number(-2)));
        let error = add(1, (0, i128::from(u64::MAX))).await.unwrap_err();
        assert_eq!(error.reason(), "overflow");
        assert_eq!(
            add(i128::from(i64::MAX), ALL).await,
            Ok(Answer::Number(i128::from(i64::MAX) - 2))
        );
        assert_eq!(add(3, ALL).await.unwrap_err().reason(), "overflow");
        assert_eq!(add(2, ALL).await, Ok(Answer::Number(i128::from(i64::MAX))));
        states.run(request(set("n", b"many"))).await.unwrap();
        assert_eq!(add(1, ALL).await, Err(StateError::NotANumber { found: 4 }));
        assert_eq!(get(&states, "n").await, Some(b"many".to_vec()));
    })
    .await;
}

#[tokio::test]
async fn of_two_swaps_from_the_same_value_one_takes_place() {
    on_both(async |states| {
        let swap = |expected: Option<&[u8]>, value: &[u8]| {
            let expected = expected.map(Fingerprint::of);
            states.run(request(Operation::Swap { key: "s".into(), expected, value: value.into() }))
        };
        let (one, two) = tokio::join!(swap(None, b"one"), swap(None, b"two"));
        assert_eq!((one, two), (Ok(Answer::Bool(true)), Ok(Answer::Bool(false))));
        assert_eq!(swap(Some(b"two"), b"three").await, Ok(Answer::Bool(false)));
        assert_eq!(swap(Some(b"one"), b"three").await, Ok(Answer::Bool(true)));
        assert_eq!(get(&states, "s").await, Some(b"three".to_vec()));
    })
    .await;
}

#[tokio::test]
async fn pages_have_each_key_once_while_keys_come_and_go() {
    on_both(async |states| {
        let key = |n: usize| format!("key {n:05}");
        for from in (0..2500).step_by(MAX_ENTRIES) {
            let entries =
                (from..2500.min(from + MAX_ENTRIES)).map(|n| (key(n), Vec::new())).collect();
            states.run(request(Operation::Set(entries))).await.unwrap();
        }
        let (mut after, mut found) = (None, Vec::new());
        loop {
            let Ok(Answer::Keys(page)) = states.run(request(Operation::List(after.take()))).await
            else {
                panic!("expected keys")
            };
            assert!(page.keys.len() <= PAGE);
            // The key at which the next page begins is deleted meanwhile.
            let last = page.keys.last().cloned().unwrap();
            states.run(request(Operation::Delete(vec![last.clone()]))).await.unwrap();
            found.extend(page.keys);
            if !page.more {
                break;
            }
            after = Some(last);
        }
        assert_eq!(found, (0..2500).map(key).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn what_each_plugin_did_is_counted() {
    on_both(async |states| {
        states.run(request(set("k", b"four"))).await.unwrap();
        get(&states, "k").await;
        states.run(request(set("", b""))).await.unwrap_err();
        let figures = states.figures();
        let [(plugin, figures)] = &*figures else { panic!("expected one plugin") };
        assert_eq!(&**plugin, "counter");
        let expected = plugbay_state::Figures { operations: 2, errors: 1, read: 4, written: 4 };
        assert_eq!(*figures, expected);
    })
    .await;
}
