//! Tables, JSON, and text that is safe to print on a terminal.

use std::borrow::Cow;
use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table};
use plugbay::escaped;
use serde::Serialize;

/// Prints a value as JSON, for people and programs.
pub(super) fn json(value: &impl Serialize) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

/// Prints a line.
pub(super) fn line(text: &str) -> io::Result<()> {
    writeln!(anstream::stdout().lock(), "{text}")
}

/// Writes raw bytes.
pub(super) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// A table: columns under their headings, separated by two blanks, without rules. A cell may have several
/// lines; foreign text that must not have is [`escaped`] by the caller.
pub(super) fn table(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heads.iter().map(|head| head.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| lines(cell).into_owned()));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((u16::from(index > 0), 1));
    }
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Lines of this program's own, with foreign text in them: the lines stay, and each is escaped.
pub(super) fn lines(text: &str) -> Cow<'_, str> {
    if !text.contains('\n') {
        return escaped(text);
    }
    let lines: Vec<_> = text.split('\n').map(escaped).collect();
    Cow::Owned(lines.join("\n"))
}

/// A number of bytes for people.
pub(super) fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_024 => return format!("{bytes} B"),
        1_024..1_048_576 => (1_u64 << 10, "KiB"),
        1_048_576..1_073_741_824 => (1 << 20, "MiB"),
        _ => (1 << 30, "GiB"),
    };
    let tenths = bytes.saturating_mul(10) / unit;
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_escaped() {
        assert_eq!(lines("a\x1b[2J\nb\u{202e}"), "a\\u{1b}[2J\nb\\u{202e}");
        assert_eq!(lines("one"), "one");
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(3 << 30), "3.0 GiB");
    }
}
