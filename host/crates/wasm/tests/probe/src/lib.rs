//! Runs the commands in a request's body, one a line, a verb and its arguments. The answer has the
//! result of each on a line.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};

use plugbay_sdk::prelude::*;

mod files;
mod network;

struct Probe;

impl Plugin for Probe {
    const NAME: &'static str = "probe";
    const DESCRIPTION: &'static str = "runs the commands of a test";
    type Config = ();

    fn new((): ()) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler for Probe {
    const NAME: &'static str = "probe";
    const ROUTES: &'static [Route] = &[Route::new(&["POST"], "/probe")];
    const DESCRIPTION: &'static str = "runs the commands in the body";

    fn handle(&self, request: Request) -> Result<Response> {
        let body = String::from_utf8_lossy(&request.body);
        let found: Vec<String> = body
            .lines()
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                run(&words).unwrap_or_else(|error| format!("error: {error}"))
            })
            .collect();
        Ok(Response::text(&found.join("\n")))
    }
}

/// A codec that passes CBOR on, so that the probe is of two kinds.
impl Codec for Probe {
    const NAME: &'static str = "probe";

    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        Ok(document.as_cbor().to_vec())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        Ok(Document::from_cbor(bytes)?)
    }
}

fn run(words: &[&str]) -> io::Result<String> {
    match *words {
        ["read", path] => fs::read_to_string(path),
        ["write", path, text] => fs::write(path, text).map(|()| "written".into()),
        ["append", path, text] => {
            fs::OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes())?;
            Ok("appended".into())
        }
        ["remove", path] => fs::remove_file(path).map(|()| "removed".into()),
        ["rename", from, to] => fs::rename(from, to).map(|()| "renamed".into()),
        ["list", path] => {
            let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name()));
            let mut names = names.collect::<io::Result<Vec<_>>>()?;
            names.sort();
            Ok(format!("{names:?}"))
        }
        ["hold", at, path, times] => files::hold_files(at, path, times),
        ["hold-streams", at, path, times] => files::hold_streams(at, path, times),
        ["hold-listings", at, times] => files::hold_listings(at, times),
        ["hold-sockets", times] => files::hold_sockets(times),
        ["release"] => Ok(files::release()),
        ["count", at] => files::count(at),
        ["overwrite", at, path, bytes] => files::overwrite(at, path, bytes),
        ["variable", name] => Ok(env::var(name).unwrap_or_else(|_| "unset".into())),
        ["time"] => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
            Ok(since.as_nanos().to_string())
        }
        ["ask-time", times] => {
            let times: u64 = times.parse().map_err(io::Error::other)?;
            for _ in 0..times {
                let _ = SystemTime::now();
            }
            Ok("asked".into())
        }
        ["passes", millis] => {
            let begin = Instant::now();
            thread::sleep(Duration::from_millis(millis.parse().map_err(io::Error::other)?));
            Ok(begin.elapsed().as_millis().to_string())
        }
        ["timers", count] => {
            let count: u64 = count.parse().map_err(io::Error::other)?;
            let hold = |_| wasip2::clocks::monotonic_clock::subscribe_duration(u64::MAX);
            Ok((0..count).map(hold).collect::<Vec<_>>().len().to_string())
        }
        ["recurse", depth] => {
            let depth: u64 = depth.parse().map_err(io::Error::other)?;
            Ok(recurse(depth).to_string())
        }
        ["random"] => Ok(RandomState::new().build_hasher().finish().to_string()),
        ["print", ref words @ ..] => print(&mut io::stdout(), words),
        ["complain", ref words @ ..] => print(&mut io::stderr(), words),
        ["log", bytes] => {
            let bytes = bytes.parse().map_err(io::Error::other)?;
            plugbay_sdk::log::write(plugbay_sdk::log::Level::Info, &"x".repeat(bytes), &[]);
            Ok("logged".into())
        }
        ["look-up", name] => network::look_up(name),
        ["connect", to] => network::connect(to),
        ["send", to] => network::send(to),
        ["listen", at] => network::listen(at),
        _ => Err(io::Error::other("expected a verb and its arguments")),
    }
}

/// Calls itself this many times, each time with a kilobyte on the stack.
fn recurse(depth: u64) -> u64 {
    let local = std::hint::black_box([depth; 128]);
    if depth == 0 { 0 } else { 1 + recurse(depth - 1).min(local[1]) }
}

/// Prints the words; `\n` in them ends a line.
fn print(to: &mut dyn Write, words: &[&str]) -> io::Result<String> {
    to.write_all(words.join(" ").replace("\\n", "\n").as_bytes())?;
    to.flush()?;
    Ok("printed".into())
}

export!(Probe: handler, codec);
