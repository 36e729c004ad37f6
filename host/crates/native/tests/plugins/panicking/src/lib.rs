//! A plugin for the tests, in Rust: it panics wherever its configuration, or a mark in the file,
//! asks it to.
//!
//! It depends on `plugbay-abi` alone, which builds in a second.

use plugbay_abi::guest::{self, Exports};
use plugbay_abi::kind::codec::CodecExports;
use plugbay_abi::kind::handler::HandlerExports;
use plugbay_abi::raw::Kind;
use plugbay_abi::{Error, Header, Request, Response, Vtable};

/// Tests change `well` in the file, which makes another library.
static MARK: &[u8] = b"describe:well";

struct Panicking {
    config: String,
}

impl Panicking {
    fn at(&self, place: &str) {
        assert!(!self.config.contains(place), "asked to, in {place}");
    }
}

/// A panic payload that is not a string, and panics again when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload was dropped");
    }
}

impl Exports for Panicking {
    const KINDS: &'static [Kind] = &[Self::CODEC, Self::HANDLER];

    fn describe() -> Result<Vec<u8>, Error> {
        assert!(std::hint::black_box(MARK).ends_with(b"well"), "nothing to describe");
        Ok(br#"{"name": "panicking", "version": "1.0.0",
               "capabilities": [{"kind": "codec", "name": "panicking"},
                                {"kind": "handler", "name": "panicking"}]}"#
            .to_vec())
    }

    fn create(config: &str) -> Result<Self, Error> {
        assert!(!config.contains("create"), "asked to, in create");
        Ok(Self { config: config.to_owned() })
    }

    fn health(&self) -> Result<(), Error> {
        self.at("health");
        Ok(())
    }

    fn shutdown(&self) {
        self.at("shutdown");
    }
}

impl CodecExports for Panicking {
    fn encode(&self, _: u32, document: &[u8]) -> Result<Vec<u8>, Error> {
        match document {
            // null, undefined
            [0xf6] => panic!("a null"),
            [0xf7] => std::panic::panic_any(Bomb),
            document => Ok(document.to_vec()),
        }
    }

    fn decode(&self, _: u32, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(vec![bytes[0] & 0x17])
    }
}

impl HandlerExports for Panicking {
    fn handle(&self, _: u32, request: Request<'_>) -> Result<Response, Error> {
        panic!("no answer to {}", request.path);
    }
}

impl Drop for Panicking {
    fn drop(&mut self) {
        self.at("destroy");
    }
}

// SAFETY: nothing else defines this symbol, and the section holds nothing else.
#[unsafe(export_name = "plugbay_abi")]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__plugbay"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".plugbay"))]
static HEADER: Header = Header::CURRENT;

// SAFETY: nothing else defines this symbol.
#[unsafe(export_name = "plugbay_entry_v2")]
extern "C" fn entry() -> *const Vtable {
    static VTABLE: Vtable = guest::vtable::<Panicking>();
    &raw const VTABLE
}
