//! A process is killed at random points, and what it acknowledged is there.
//!
//! The child writes one fixed history of records, in batches of random sizes, and prints how far it
//! came after each batch. Each batch ends with a ceiling that says how far it goes. So a file tells
//! which part of the history it should hold, and a test can compare it with that part exactly: nothing
//! is missing, nothing is there by half.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Instant;

use plugbay_discovery::{back_up, restore};

use super::*;

/// How often a process is killed, if `PLUGBAY_KILLS` does not say.
const KILLS: u32 = 40;
/// How many records an endpoint lives for.
const LIFE: u64 = 401;
/// The longest time for which the end of a process is waited for.
const SOON: Duration = Duration::from_secs(60);

/// The record with a number: an endpoint comes, or one leaves that came before.
fn record(number: u64) -> Option<Record> {
    let short = |number: u64| u16::try_from(number % 60_000).unwrap();
    if number.is_multiple_of(2) {
        return Some(put(short(number)));
    }
    number.checked_sub(LIFE).map(|number| remove(short(number)))
}

/// What is there after the first `count` records.
fn state(count: u64) -> Vec<EndpointId> {
    let oldest = count.saturating_sub(LIFE);
    let short = |number: u64| u16::try_from(number % 60_000).unwrap();
    let alive = (oldest..count).filter(|number| number.is_multiple_of(2));
    let mut alive: Vec<_> = alive.map(|number| id(short(number))).collect();
    alive.sort();
    alive
}

#[test]
#[ignore = "is the child of the test below"]
fn child_writes() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let file = folder.join("directory.db");
    let mut store = SqliteStore::open(&file).unwrap();
    let mut done = store.load().unwrap().ceiling.unwrap_or_default().0;
    say("at", done);
    let acknowledged = AtomicU64::new(done);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                let before = acknowledged.load(Ordering::SeqCst);
                back_up(&file, &folder.join("backup.db")).unwrap();
                say("backup", before);
            }
        });
        loop {
            let next = done + fastrand::u64(1..20);
            let records: Vec<_> = (done..next).filter_map(record).chain([ceiling(next)]).collect();
            store.append(&records).unwrap();
            done = next;
            acknowledged.store(done, Ordering::SeqCst);
            say("at", done);
        }
    });
}

/// Prints a line in one write, so that none is read by half.
fn say(word: &str, number: u64) {
    std::io::stdout().write_all(format!("{word} {number}\n").as_bytes()).unwrap();
}

/// How far a process said that it came.
#[derive(Default)]
struct Said {
    at: u64,
    backup: u64,
    lines: u32,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let Some((word, number)) = line.split_once(' ') else { return };
        let Ok(number) = number.parse() else { return };
        match word {
            "at" => self.at = number,
            "backup" => self.backup = number,
            _ => return,
        }
        self.lines += 1;
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_a_process_is_killed() {
    let kills = std::env::var("PLUGBAY_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (file, target) = (path("directory.db"), path("backup.db"));
    let began = Instant::now();
    let (mut said, mut in_backup, mut before_first) = (Said::default(), 0, 0);
    for round in 0..kills {
        let lines = said.lines;
        run_and_kill(folder.path(), &mut said);
        before_first += u32::from(said.lines == lines);
        in_backup += u32::from(path("backup.db.partial").exists());
        // Every other time the next process finds the files as they were left.
        if round % 2 == 1 && round + 1 < kills {
            continue;
        }
        let loaded = read(&file);
        let reached = loaded.ceiling.unwrap_or_default().0;
        assert!(reached >= said.at, "round {round}: {} was acknowledged, found {reached}", said.at);
        assert_eq!(ids(&loaded), state(reached), "round {round}");
        // It also checks the file by integrity_check.
        back_up(&file, &path("check.db")).unwrap();
        if target.exists() {
            restore(&target, &path("restored.db")).unwrap();
            let restored = read(&path("restored.db"));
            // Its low 32 bits are those of the backup.
            let reached = restored.ceiling.unwrap_or_default().0 & u64::from(u32::MAX);
            assert!(reached >= said.backup, "round {round}: {} is in the backup", said.backup);
            assert_eq!(ids(&restored), state(reached), "round {round}");
            for entry in std::fs::read_dir(folder.path()).unwrap() {
                let path = entry.unwrap().path();
                if path.to_str().unwrap().contains("restored.db") {
                    std::fs::remove_file(path).unwrap();
                }
            }
        }
        said.at = reached;
    }
    println!(
        "{kills} processes killed in {:?}: {} records kept; {in_backup} killed while a backup was written, {before_first} before they had opened the file",
        began.elapsed(),
        said.at
    );
}

/// Runs a process that writes, and kills it at a random point.
fn run_and_kill(folder: &Path, said: &mut Said) {
    let mut child = child("durable::kill::child_writes", folder);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (lines, heard) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in output.lines() {
            lines.send(line.unwrap()).unwrap();
        }
    });
    // One in five is killed at a time when it may not have opened the file yet.
    let mut left = if fastrand::u8(0..5) == 0 { 0 } else { fastrand::u32(1..40) };
    while left > 0 {
        let line = heard.recv_timeout(SOON).expect("the process writes");
        said.hear(&line);
        left -= 1;
    }
    // A line is printed when the disk is done, so the point is moved by less than the disk takes.
    let pause = Duration::from_micros(fastrand::u64(0..8000));
    match heard.recv_timeout(pause) {
        Ok(line) => said.hear(&line),
        Err(RecvTimeoutError::Timeout) => {}
        Err(RecvTimeoutError::Disconnected) => panic!("the process ended by itself"),
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "it was killed, and did not fail before");
    reader.join().unwrap();
    for line in heard.try_iter() {
        said.hear(&line);
    }
}
