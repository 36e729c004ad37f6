//! Real processes that know nothing but the directory: the example `service`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use plugbay_discovery::client::HttpClient;
use tokio::task::JoinSet;

use crate::world::{Directory, client, eventually};

/// A running service. It is killed at the end, if it still runs.
struct Process {
    child: Child,
    port: u16,
}

impl Process {
    fn start(directory: &Directory, arguments: &[&str]) -> Self {
        let mut child = Command::new(example("service"))
            .args(["--directory", &directory.url()])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example was built with the tests");
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { child, port }
    }

    /// Sends SIGTERM, and waits until the process has ended.
    async fn terminate(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut status = None;
        eventually("the process ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        assert!(status.unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Cargo builds examples beside the folder of the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    profile.join("examples").join(name)
}

/// A rolling restart: each of five processes is replaced while clients call. The clients know only the
/// directory, and retry nothing that is not safe to retry; not one call fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_no_call() {
    let directory = Directory::start().await;
    let arguments = ["--name", "orders", "--delay", "5", "--grace", "300"];
    let mut processes: Vec<_> = (0..5).map(|_| Process::start(&directory, &arguments)).collect();
    eventually("all are registered", || directory.ports("orders").len() == 5).await;

    let is_over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let mut load = JoinSet::new();
    for at in 0..8 {
        let http = HttpClient::new(client(&directory).await, reqwest::Client::new());
        let (is_over, answered) = (Arc::clone(&is_over), Arc::clone(&answered));
        load.spawn(async move {
            let mut lost = Vec::new();
            while !is_over.load(SeqCst) {
                let request = if at % 2 == 0 {
                    http.request(reqwest::Method::GET, "http://orders/")
                } else {
                    http.post("http://orders/")
                };
                match http.send(request).await {
                    Ok(response) if response.status() == 200 => {
                        answered.fetch_add(1, SeqCst);
                    }
                    Ok(response) => lost.push(response.status().to_string()),
                    Err(error) => lost.push(format!("{error}: {error:?}")),
                }
            }
            lost
        });
    }

    let first: Vec<_> = processes.iter().map(|process| process.port).collect();
    for _ in 0..5 {
        let before = answered.load(SeqCst);
        processes.remove(0).terminate().await;
        processes.push(Process::start(&directory, &arguments));
        eventually("the next one is registered", || directory.ports("orders").len() == 5).await;
        eventually("calls go on", || answered.load(SeqCst) > before + 20).await;
    }
    is_over.store(true, SeqCst);
    let lost: Vec<_> = load.join_all().await.into_iter().flatten().collect();
    assert_eq!(lost, Vec::<String>::new());
    assert!(directory.ports("orders").iter().all(|port| !first.contains(port)), "all are new");
}

/// Five processes that are producers and consumers at once find each other, and call the slow one less.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_processes_find_each_other_and_shift_load_off_a_slow_one() {
    let directory = Directory::start().await;
    let start = |delay| {
        let arguments = ["--name", "peers", "--call", "peers", "--delay", delay];
        Process::start(&directory, &arguments)
    };
    let quick: Vec<_> = (0..4).map(|_| start("5")).collect();
    let slow = start("200");
    let http = reqwest::Client::new();
    let answers = async |process: &Process| -> BTreeMap<String, u64> {
        let url = format!("http://127.0.0.1:{}/answers", process.port);
        let body = http.get(url).send().await.unwrap().bytes().await.unwrap();
        serde_json::from_slice(&body).unwrap()
    };
    let slow_port = slow.port.to_string();
    for process in quick.iter().chain([&slow]) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let seen = loop {
            let seen = answers(process).await;
            let is_enough = quick.iter().all(|quick| seen.contains_key(&quick.port.to_string()));
            if is_enough && seen.values().sum::<u64>() >= 200 {
                break seen;
            }
            assert!(Instant::now() < deadline, "{} saw only {seen:?}", process.port);
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let all: u64 = seen.values().sum();
        let by_slow = seen.get(&slow_port).copied().unwrap_or(0);
        assert!(by_slow * 20 < all, "a fifth would be its share: {by_slow} of {all}");
        assert!(seen.keys().all(|by| by.parse::<u16>().is_ok()), "no call failed: {seen:?}");
    }
}
