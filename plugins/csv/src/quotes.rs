//! Whether quotes stand where RFC 4180 lets them: the `csv` crate reads on where they do not, and
//! guesses.

use plugbay_sdk::{Error, Result};

use crate::dialect::Dialect;

/// Checks that every quoted field is quoted as a whole, and closed.
pub(crate) fn check(text: &str, dialect: Dialect) -> Result<()> {
    let Some(quote) = dialect.quote else {
        return Ok(());
    };
    let mut line = 1;
    let mut state = State::Start;
    for byte in text.bytes() {
        let ends_field = byte == dialect.delimiter || byte == b'\n' || byte == b'\r';
        state = match state {
            State::Start | State::Plain if ends_field => State::Start,
            State::Start if byte == quote => State::Quoted { since: line },
            State::Plain if byte == quote => {
                return Err(wrong(
                    line,
                    "expected a field that is quoted as a whole, found a quote inside",
                ));
            }
            State::Start | State::Plain => State::Plain,
            State::Quoted { since } if byte == quote => State::MayEnd { since },
            State::Quoted { since } => State::Quoted { since },
            State::MayEnd { since } if byte == quote => State::Quoted { since },
            State::MayEnd { .. } if ends_field => State::Start,
            State::MayEnd { .. } => {
                return Err(wrong(
                    line,
                    "expected the end of a field after its closing quote, found more",
                ));
            }
        };
        line += usize::from(byte == b'\n');
    }
    match state {
        State::Quoted { since } => Err(wrong(since, "expected a closing quote, found the end")),
        _ => Ok(()),
    }
}

#[derive(Clone, Copy)]
enum State {
    Start,
    Plain,
    Quoted {
        since: usize,
    },
    /// After a quote inside a quoted field: its end, or the first half of a doubled quote.
    MayEnd {
        since: usize,
    },
}

fn wrong(line: usize, what: &str) -> Error {
    Error::invalid_input(format_args!("{what} at line {line}"))
}
