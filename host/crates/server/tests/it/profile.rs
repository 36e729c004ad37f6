//! Profiles of the running program: where it computes, beside guests that do everything else.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use plugbay_fixtures::{Behaviour, Export, Guest};
use plugbay_profile::message::{Location, Profile, Sample};
use prost::Message as _;
use tokio::task::JoinHandle;

use super::support::{Answer, SOON, Setup, ask, deploy, host, until};
use super::up::Up;

fn start(setup: Setup) -> Up {
    // Calls that fail are what these tests are about, and each has a line in the log.
    let mut program = Command::new(env!("CARGO_BIN_EXE_plugbay"));
    program.stderr(Stdio::null());
    Up::start_by(program, setup.set("defaults.breaker_failures", "0"))
}

async fn get(up: &Up, seconds: u64) -> Answer {
    let path = format!("/debug/pprof/profile?seconds={seconds}");
    ask(up.admin, "GET", &path, &[], Vec::new()).await
}

/// Begins a profile of five minutes, and waits until it is recorded.
async fn begin(up: &Up) -> JoinHandle<Answer> {
    let ask = || {
        let (admin, path) = (up.admin, "/debug/pprof/profile?seconds=300");
        tokio::spawn(async move { ask(admin, "GET", path, &[], Vec::new()).await })
    };
    let profile = Mutex::new(ask());
    until("a profile is recorded", async || {
        let other = get(up, 1).await.status;
        let mut profile = profile.lock().unwrap();
        if profile.is_finished() {
            // The other one was recorded when this one arrived.
            *profile = ask();
            return false;
        }
        other == 409
    })
    .await;
    profile.into_inner().unwrap()
}

fn decoded(answer: &Answer) -> Profile {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut bytes = Vec::new();
    GzDecoder::new(&answer.body[..]).read_to_end(&mut bytes).unwrap();
    let profile = Profile::decode(&bytes[..]).unwrap();
    assert_valid(&profile);
    profile
}

/// Every number that stands for something has something that it stands for.
fn assert_valid(profile: &Profile) {
    let texts = i64::try_from(profile.string_table.len()).unwrap();
    let is_text = |index: i64| (0..texts).contains(&index);
    let ids = |ids: Vec<u64>| (1..).zip(ids).all(|(expected, id): (u64, u64)| expected == id);
    assert_eq!(profile.string_table[0], "");
    assert!(ids(profile.mapping.iter().map(|it| it.id).collect()));
    assert!(ids(profile.location.iter().map(|it| it.id).collect()));
    assert!(ids(profile.function.iter().map(|it| it.id).collect()));
    assert!(profile.function.iter().all(|it| is_text(it.name) && is_text(it.filename)));
    for location in &profile.location {
        let mapping = profile.mapping.iter().find(|it| it.id == location.mapping_id);
        let range = mapping.map(|it| it.memory_start..it.memory_limit);
        assert!(range.is_none_or(|range| range.contains(&location.address)), "{location:?}");
        assert!(profile.function.len() as u64 >= location.line[0].function_id);
    }
    for sample in &profile.sample {
        assert!(!sample.location_id.is_empty() && sample.value.len() == profile.sample_type.len());
        assert!(sample.location_id.iter().all(|id| *id <= profile.location.len() as u64));
    }
}

fn label<'p>(profile: &'p Profile, sample: &Sample, name: &str) -> &'p str {
    let text = |index: i64| &*profile.string_table[usize::try_from(index).unwrap()];
    let found = sample.label.iter().find(|label| text(label.key) == name);
    found.map_or("", |label| text(label.str))
}

/// The samples of each plugin; those without one have the name "".
fn by_plugin(profile: &Profile) -> BTreeMap<&str, i64> {
    let mut samples = BTreeMap::new();
    for sample in &profile.sample {
        *samples.entry(label(profile, sample, "plugin")).or_default() += sample.value[0];
    }
    samples
}

fn name<'p>(profile: &'p Profile, location: &Location) -> &'p str {
    let function = &profile.function[usize::try_from(location.line[0].function_id - 1).unwrap()];
    &profile.string_table[usize::try_from(function.name).unwrap()]
}

#[tokio::test(flavor = "multi_thread")]
async fn most_samples_lie_in_the_plugin_that_computes() {
    let spin = Guest::handler("spin").on(Export::Handle, Behaviour::Spin).route("GET", "/spin");
    let echo = Guest::handler("echo").route("GET", "/echo");
    let setup = host().plugin("spin.wasm", &spin).plugin("echo.wasm", &echo);
    let setup = setup.set("defaults.cpu", "1m").set("defaults.deadline", "1m");
    let up = start(setup.set("server.timeout", "1m"));
    // It ends with its connection.
    let spins = tokio::spawn(ask(up.data, "GET", "/spin", &[], Vec::new()));
    let answer = get(&up, 2).await;
    spins.abort();
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    let profile = decoded(&answer);

    let samples = by_plugin(&profile);
    let (all, spin) = (samples.values().sum::<i64>(), samples["spin@1.0.0"]);
    // On a busy machine it gets less than one processor; of the others' time nothing is in this process.
    assert!(spin >= 10 && spin * 2 > all, "{spin} of {all}: {samples:?}");
    assert!(!samples.contains_key("echo@1.0.0"), "{samples:?}");
    let guest = profile.location.iter().map(|location| name(&profile, location));
    let guest: Vec<&str> = guest.filter(|name| name.starts_with("spin@1.0.0: ")).collect();
    assert!(!guest.is_empty());
    assert!(profile.duration_nanos >= 1_900_000_000, "{}", profile.duration_nanos);
    assert_eq!(profile.period, 10_000_000);
    let threads = profile.sample.iter().map(|sample| label(&profile, sample, "thread"));
    assert!(threads.filter(|name| !name.is_empty()).count() > 0);
    assert_go_reads(&answer.body);
}

/// `go tool pprof`, for which the format is made, shows the plugin. Without Go there is nothing to ask.
fn assert_go_reads(profile: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugbay.pb.gz");
    std::fs::write(&file, profile).unwrap();
    let go = |arguments: &[&str]| {
        let mut go = Command::new("go");
        go.args(["tool", "pprof", "-symbolize=none"]).args(arguments).arg(&file);
        go.env("HOME", folder.path()).output()
    };
    let Ok(top) = go(&["-top"]) else {
        eprintln!("skipped: there is no Go");
        return;
    };
    let text = String::from_utf8_lossy(&top.stdout) + String::from_utf8_lossy(&top.stderr);
    assert!(top.status.success(), "{text}");
    assert!(text.contains("Type: cpu"), "{text}");
    let first = text.lines().skip_while(|line| !line.contains("flat%")).nth(1);
    assert!(first.is_some_and(|line| line.contains("spin@1.0.0: ")), "{text}");
    let tags = go(&["-tags"]).unwrap();
    let text = String::from_utf8_lossy(&tags.stdout);
    assert!(text.contains("plugin:") && text.contains("spin@1.0.0"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_profile_is_recorded_at_a_time_and_it_ends_with_its_client() {
    let up = start(host());
    let first = begin(&up).await;
    let second = async || get(&up, 1).await;
    let busy = second().await;
    assert_eq!((busy.status, &*busy.code()), (409, "busy"));
    let wait: u64 = busy.header("retry-after").unwrap().parse().unwrap();
    assert!((100..=300).contains(&wait), "{wait}");
    first.abort();
    until("another one is recorded", async || second().await.status == 200).await;

    for bad in ["?seconds=0", "?seconds=301", "?seconds=x"] {
        let path = format!("/debug/pprof/profile{bad}");
        assert_eq!(ask(up.admin, "GET", &path, &[], Vec::new()).await.code(), "bad-request");
    }
    let post = ask(up.admin, "POST", "/debug/pprof/profile", &[], Vec::new()).await;
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, OPTIONS")));
}

/// A profile that is being recorded at the stop is answered with what it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_a_profile() {
    let up = start(host());
    let profile = begin(&up).await;
    up.signal(rustix::process::Signal::TERM);
    let answer = tokio::time::timeout(SOON, profile).await.unwrap().unwrap();
    assert!(decoded(&answer).duration_nanos < 100_000_000_000);
    assert_eq!(up.end().0, Some(0));
}

/// While guests are loaded, trap, overflow their stacks and let their memory grow, no call fails but those that are to,
/// and the profile ends.
#[tokio::test(flavor = "multi_thread")]
async fn guests_go_on_beside_a_profile() {
    let echo = |version: &str| Guest::handler("echo").version(version).route("GET", "/echo");
    let bad = |name: &str, behaviour| Guest::codec(name).on(Export::Encode, behaviour);
    let up = start(
        host()
            .plugin("echo.wasm", &echo("1.0.0"))
            .plugin("trap.wasm", &bad("trap", Behaviour::Trap))
            .plugin("deep.wasm", &bad("deep", Behaviour::Recurse))
            .plugin("grow.wasm", &bad("grow", Behaviour::GrowMemory { pages: 16 })),
    );
    let (ended, plugins) = (AtomicBool::new(false), up.setup.plugins());
    let calls = async |method: &str, path: &str, body: &str, expected: &[u16]| {
        let mut count = 0;
        while !ended.load(Ordering::Relaxed) {
            let answer = ask(up.data, method, path, &[], body.into()).await;
            assert!(expected.contains(&answer.status), "{path}: {}", answer.text());
            count += 1;
        }
        count
    };
    let loads = async || {
        let mut count = 0;
        while !ended.load(Ordering::Relaxed) {
            count += 1;
            let version = format!("1.0.{count}");
            deploy(&plugins, "echo.wasm", &echo(&version));
            until("the new version serves", async || {
                let plugin = ask(up.admin, "GET", "/v1/plugins/echo", &[], Vec::new()).await;
                plugin.text().contains(&version)
            })
            .await;
        }
        count
    };
    let began = Instant::now();
    let profile = async {
        let answer = tokio::time::timeout(SOON, get(&up, 4)).await.expect("the profile ends");
        ended.store(true, Ordering::Relaxed);
        answer
    };
    let (answer, loaded, echoed, trapped, overflowed, grown) = tokio::join!(
        profile,
        loads(),
        calls("GET", "/echo", "", &[200]),
        calls("POST", "/v1/codecs/trap/encode", "1", &[502]),
        calls("POST", "/v1/codecs/deep/encode", "1", &[502]),
        calls("POST", "/v1/codecs/grow/encode", "1", &[413, 502]),
    );
    assert!(began.elapsed() < SOON + Duration::from_secs(30));
    let counts = [loaded, echoed, trapped, overflowed, grown];
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    let samples: i64 = by_plugin(&decoded(&answer)).values().sum();
    assert!(samples > 10, "{samples}");
    assert_eq!(ask(up.admin, "GET", "/livez", &[], Vec::new()).await.status, 200);
    decoded(&get(&up, 1).await);
}
