//! A component without WASI. It runs the command in a request's body.

use std::time::{Duration, Instant};

use plugbay_sdk::prelude::*;

struct Pure;

impl Plugin for Pure {
    const NAME: &'static str = "pure";
    const DESCRIPTION: &'static str = "runs the commands of a test";
    type Config = ();

    fn new((): ()) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler for Pure {
    const NAME: &'static str = "pure";

    fn handle(&self, request: Request) -> Result<Response> {
        match request.body.as_slice() {
            b"now" => drop(Instant::now()),
            b"sleep" => std::thread::sleep(Duration::from_millis(1)),
            b"spawn" => drop(std::thread::spawn(|| {}).join()),
            b"panic" => panic!("as asked"),
            b"print" => println!("nobody reads this"),
            other => bail!(invalid_input, "expected a command, found {other:?}"),
        }
        Ok(Response::text("done"))
    }
}

export!(Pure: handler);
