//! An input that makes a call exceed a limit is its sender's failure. It does not open the plugin's
//! circuit breaker, and other inputs are answered. Memory that an instance kept from earlier calls
//! is the plugin's failure.

use plugbay::{Blame, CallError, Error, Outcome, Request};
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::support::{Site, place, request, wait};

/// More failures than open a breaker by default.
const MANY: usize = 12;

fn site(encode: Behaviour) -> Site {
    let guest = Guest::both("a").on(Export::Encode, encode.clone()).on(Export::Handle, encode);
    let limits = "[plugins.a]\nmemory = '4MiB'\ncpu = '20ms'\noutput = '128KiB'";
    place().plugin("a.wasm", guest).config(limits).unwatched().host()
}

fn call_error(error: Error) -> CallError {
    let Error::Call(error) = error else { panic!("expected a failed call, found {error}") };
    error
}

fn encode(site: &Site) -> CallError {
    call_error(site.codec("a").unwrap().encode_document(b"\xf6").unwrap_err())
}

/// The behaviours that exceed each of the three limits of a call, and their reasons.
fn excesses() -> [(Behaviour, &'static str); 3] {
    [
        (Behaviour::GrowMemory { pages: 4 }, "memory"),
        (Behaviour::Spin, "cpu"),
        (Behaviour::Output(1 << 20), "output"),
    ]
}

#[test]
fn inputs_that_exceed_a_limit_open_no_breaker() {
    for (behaviour, reason) in excesses() {
        let site = site(behaviour);
        for _ in 0..MANY {
            let error = encode(&site);
            assert_eq!((error.reason(), error.blame()), (reason, Blame::Input), "{error}");
            let handled = wait(site.handler("a").unwrap().handle(request("body")));
            assert_eq!(call_error(handled.unwrap_err()).blame(), Blame::Input);
        }
        let decoded = site.codec("a").unwrap().decode_document(b"\xf6");
        assert!(decoded.is_ok(), "{reason}: another input is answered");
        assert_eq!(site.count(|it| matches!(it, Outcome::BreakerOpened { .. })), 0, "{reason}");
        let failed = &site.running("a").unwrap().calls.failed;
        assert_eq!(
            failed.get(reason),
            Some(&(2 * MANY as u64)),
            "the failures are counted: {failed:?}"
        );
    }
}

#[test]
fn an_excess_without_an_input_is_the_plugins_failure() {
    for (behaviour, reason) in excesses() {
        let site = site(behaviour);
        let get = Request { method: "GET".into(), ..Request::default() };
        let error = call_error(wait(site.handler("a").unwrap().handle(get)).unwrap_err());
        assert_eq!((error.reason(), error.blame()), (reason, Blame::Plugin), "{error}");
    }
}

#[test]
fn memory_that_an_instance_kept_from_earlier_calls_is_the_plugins_failure() {
    // 40 of 64 pages are kept; the failing call asks for no more than the rest.
    let guest = Guest::codec("a")
        .on(Export::Encode, Behaviour::RequestMemory { pages: 40 })
        .on(Export::Decode, Behaviour::GrowMemory { pages: 1 });
    let config = "[plugins.a]\nmemory = '4MiB'\ninstances = 1";
    let site = place().plugin("a.wasm", guest).config(config).unwatched().host();
    let decode = || {
        let codec = site.codec("a").unwrap();
        call_error(codec.decode_document(b"\xf6").unwrap_err())
    };
    assert_eq!(decode().blame(), Blame::Input, "a fresh instance");
    site.codec("a").unwrap().encode_document(b"\xf6").unwrap();
    let error = decode();
    assert_eq!((error.reason(), error.blame()), ("memory", Blame::Plugin), "{error}");
}
