#![doc = include_str!("../README.md")]

use plugbay_sdk::prelude::*;
use plugbay_sdk::state::Bucket;

/// The plugin. It keeps nothing itself.
#[derive(Debug)]
pub struct Counter;

impl Plugin for Counter {
    const NAME: &'static str = "counter";
    const DESCRIPTION: &'static str = "counts in state that outlives it";
    type Config = ();

    fn new((): ()) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler for Counter {
    const NAME: &'static str = "counter";
    const ROUTES: &'static [Route] = &[
        Route::new(&["GET"], "/counter"),
        Route::new(&["GET", "POST", "PUT", "DELETE"], "/counter/{name}"),
    ];
    const DESCRIPTION: &'static str = "counts what is posted, by name";

    fn handle(&self, request: Request) -> Result<Response> {
        let counts = Bucket::open("counts")?;
        let Some(name) = request.param("name") else { return list(&counts) };
        match request.method.as_str() {
            "POST" => {
                let delta = if request.body.is_empty() { 1 } else { number(&request.body)? };
                Ok(Response::text(counts.increment(name, delta)?.to_string()))
            }
            "PUT" => replace(&counts, name, &request),
            "DELETE" => {
                counts.delete(name)?;
                Ok(Response::new(204))
            }
            _ => match counts.get(name)? {
                Some(count) => Ok(Response::text(String::from_utf8_lossy(&count))),
                None => Ok(Response::new(404)),
            },
        }
    }
}

/// Sets a count, if nobody has changed it since the client saw it.
fn replace(counts: &Bucket, name: &str, request: &Request) -> Result<Response> {
    let value = number(&request.body)?.to_string();
    let seen = request.header("if-match").map(str::as_bytes);
    let set = counts.compare_and_set(name, seen, value.as_bytes())?;
    Ok(if set { Response::text(&value) } else { Response::new(412) })
}

/// All names, over all pages.
fn list(counts: &Bucket) -> Result<Response> {
    let mut names = Vec::new();
    let mut page = counts.list(None)?;
    loop {
        names.append(&mut page.keys);
        match page.cursor {
            Some(cursor) => page = counts.list(Some(&cursor))?,
            None => return Response::json(&names),
        }
    }
}

fn number(body: &[u8]) -> Result<i64> {
    let text = String::from_utf8_lossy(body);
    text.trim().parse().map_err(|_| Error::invalid_input("expected a whole number as the body"))
}

export!(Counter: handler);
