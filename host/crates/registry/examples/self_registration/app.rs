//! The application, shared by both examples. Never names a codec crate: it knows
//! the interface and a name.

use std::process::ExitCode;

use plugbay_registry::linked;
use plugbay_registry_example_codec::SharedCodec;

pub(crate) fn main() -> ExitCode {
    let codecs = match linked::registry::<SharedCodec>("codec") {
        Ok(codecs) => codecs,
        Err(refused) => return fail(&refused),
    };
    match codecs.get("hex") {
        Ok(hex) => println!("{}", hex.encode(b"plugbay")),
        Err(missed) => return fail(&missed),
    }
    ExitCode::SUCCESS
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}
