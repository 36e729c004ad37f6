//! The tables in each codec's README that show how the codec converts values, made by calling it.

use std::path::Path;

use plugbay_sdk::{Codec, Document, Error, ErrorKind};

use crate::diagnostic;
use crate::vectors::from_hex;

/// Values, in CBOR, that some format cannot express or writes in another form.
pub const PROBES: &[(&str, &str)] = &[
    ("null", "f6"),
    ("true", "f5"),
    ("the integer 1", "01"),
    ("the float 1.0", "fb3ff0000000000000"),
    ("the float 0.1", "fb3fb999999999999a"),
    ("the float -0.0", "fb8000000000000000"),
    ("NaN", "fb7ff8000000000000"),
    ("infinity", "fb7ff0000000000000"),
    ("2^53 + 1", "1b0020000000000001"),
    ("2^63", "1b8000000000000000"),
    ("2^64 - 1", "1bffffffffffffffff"),
    ("-2^63", "3b7fffffffffffffff"),
    ("-2^64", "3bffffffffffffffff"),
    ("a bignum, 2^64", "c249010000000000000000"),
    ("a bignum, -2^64 - 1", "c349010000000000000000"),
    ("a bignum of 1,025 bits", "c25881⟦01*129⟧"),
    ("the empty text", "60"),
    ("text that looks like a number", "6131"),
    ("text with a line break and a NUL", "63610a00"),
    ("U+FEFF", "63efbbbf"),
    ("bytes", "43010203"),
    ("a list", "8201 6161"),
    ("an empty map", "a0"),
    ("a map with an integer key", "a1 01 02"),
    ("a map with a null key", "a1 f6 02"),
    ("a map with a list as key", "a1 8101 02"),
    ("keys b, a in this order", "a2 6162 01 6161 02"),
    ("undefined", "f7"),
    ("simple value 16", "f0"),
    ("a date and a time (tag 0)", "c0 74 323031332d30332d32315432303a30343a30305a"),
    ("a day (tag 1004)", "d903ec 6a 323031332d30332d3231"),
    ("a decimal fraction (tag 4)", "c4 82 21 196ab3"),
];

/// A codec, with the parameters of its tables.
pub struct Subject<'s, C> {
    /// The codec.
    pub codec: &'s C,
    /// CBOR before and after each value, in hexadecimal, for formats whose documents must be, for
    /// instance, maps.
    pub frame: (&'static str, &'static str),
    /// Whether the format is text.
    pub text: bool,
    /// The inputs of the second table, with their names.
    pub inputs: &'s [(&'static str, Vec<u8>)],
}

impl<C: Codec> Subject<'_, C> {
    /// The two tables.
    pub fn table(&self) -> String {
        let mut table = "| value | written as | read back as |\n|---|---|---|\n".to_owned();
        for (what, cbor) in PROBES {
            let (before, after) = self.frame;
            let document = Document::from_trusted_cbor(from_hex(&format!("{before}{cbor}{after}")));
            let (written, read) = match self.codec.encode(&document) {
                Ok(bytes) => (self.show(&bytes), self.read(&bytes, Some(&document))),
                Err(error) => (refusal(&error, ErrorKind::Unsupported), String::new()),
            };
            table += &format!("| {what} | {written} | {read} |\n");
        }
        table += "\n| input | read as |\n|---|---|\n";
        for (what, bytes) in self.inputs {
            table += &format!("| {what} | {} |\n", self.read(bytes, None));
        }
        table
    }

    fn read(&self, bytes: &[u8], original: Option<&Document>) -> String {
        match self.codec.decode(bytes) {
            Ok(document) if Some(&document) == original => "the same".to_owned(),
            Ok(document) => quote(&diagnostic(document.as_cbor())),
            Err(error) => refusal(&error, ErrorKind::InvalidInput),
        }
    }

    fn show(&self, bytes: &[u8]) -> String {
        if self.text {
            quote(&String::from_utf8_lossy(bytes))
        } else {
            quote(&data_encoding::HEXLOWER.encode(bytes))
        }
    }
}

fn refusal(error: &Error, default: ErrorKind) -> String {
    let kind = match error.kind().unwrap_or(default) {
        ErrorKind::InvalidInput => "invalid input",
        ErrorKind::Unsupported => "unsupported",
        _ => "INTERNAL",
    };
    format!("{kind}: `{}`", error.message().replace('|', "\\|").replace('`', "'"))
}

/// The text as code in a cell of a table, with line breaks as `⏎`.
fn quote(text: &str) -> String {
    let text = text.replace("\r\n", "␍⏎").replace('\n', "⏎").replace('\0', "␀").replace('|', "\\|");
    let text = text.replace('\u{feff}', "⟨U+FEFF⟩");
    let short: String = text.chars().take(80).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("`{short}{more}`")
}

const BEGIN: &str = "<!-- conversions: written by the tests -->\n";
const END: &str = "<!-- end -->";

/// Checks that a README has the table, or writes it there if `PLUGBAY_BLESS` is set.
///
/// # Panics
///
/// If the README has another table, or none.
pub fn check(readme: &Path, table: &str) {
    let text = std::fs::read_to_string(readme).expect("a README");
    let (before, rest) = text.split_once(BEGIN).expect("the beginning of the table");
    let (found, after) = rest.split_once(END).expect("the end of the table");
    if std::env::var_os("PLUGBAY_BLESS").is_some() {
        std::fs::write(readme, format!("{before}{BEGIN}{table}{END}{after}")).expect("a README");
    } else {
        assert!(
            found == table,
            "{} has another table; with PLUGBAY_BLESS=1 this test writes this one there:\n{table}",
            readme.display()
        );
    }
}
