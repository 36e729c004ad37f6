//! Bodies that are designed to need much memory, for every bundled plugin.

#![expect(clippy::format_collect, reason = "texts of a test")]

/// The length of the hostile bodies.
pub const BODY: usize = 1 << 20;

/// A part, repeated to the length of a body.
#[must_use]
pub fn many(part: &str) -> String {
    part.repeat(BODY / part.len())
}

/// The parts that a function makes of the numbers from 0 on, to the length of a body.
#[must_use]
pub fn numbered(part: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    let mut number = 0;
    while text.len() < BODY {
        text += &part(number);
        number += 1;
    }
    text
}

/// A short word for each number, all of them different.
fn word(mut number: usize) -> String {
    let mut word = String::new();
    loop {
        word.push(char::from(b"abcdefghijklmnopqrstuvwxyz"[number % 26]));
        number /= 26;
        if number == 0 {
            return word;
        }
    }
}

fn deep(levels: usize, inside: &str) -> String {
    format!("{}{inside}{}", "[".repeat(levels), "]".repeat(levels))
}

/// Bodies that are designed to need much memory: the codec, a description and the body.
///
/// # Panics
///
/// Never: all lengths fit their types.
#[must_use]
#[expect(clippy::too_many_lines, reason = "a list")]
pub fn hostile() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let long = "x".repeat(BODY / 2);
    let mut bodies: Vec<(&str, &str, Vec<u8>)> = Vec::new();
    let mut add = |codec, what, body: String| bodies.push((codec, what, body.into_bytes()));
    add(
        "yaml",
        "an alias of a long text",
        format!("a: &a \"{long}\"\nb: [{}]", "*a,".repeat(BODY / 6)),
    );
    add("yaml", "aliases of nulls", format!("- &a [{}]\n- [{}]", "~,".repeat(1000), many("*a,")));
    add(
        "yaml",
        "aliases of controls",
        format!("- &a \"{}\"\n- [{}]", "\\0".repeat(500), many("*a,")),
    );
    add(
        "yaml",
        "aliases as keys",
        numbered(|n| format!("- {{*a : {n}}}\n")).replacen("- {*a : 0}", "- &a x", 1),
    );
    add("yaml", "anchors", numbered(|n| format!("- &{} x\n", word(n))));
    add("yaml", "anchors of one name", many("- &a x\n"));
    add("yaml", "entries", many("- \n"));
    add("yaml", "a flow list", format!("[{}]", many("a,")));
    add("yaml", "a flow list of nothing", format!("[{}]", many("[],")));
    add("yaml", "pairs of a flow list", format!("[{}]", many("a: ,")));
    add("yaml", "keys", numbered(|n| format!("{}:\n", word(n))));
    add("yaml", "equal keys", many("a:\n"));
    add("yaml", "explicit keys", numbered(|n| format!("? {}\n", word(n))));
    add(
        "yaml",
        "merges",
        format!("- &a {{{}}}\n- {{{}}}", "a: ,".replace(" ,", " 1"), many("<<: *a,")),
    );
    add("yaml", "tags", format!("[{}]", many("!a b,")));
    add("yaml", "deep", deep(120, &many("1,")));
    add("yaml", "comments", many("#\n"));
    add("yaml", "an unclosed list", many("["));
    add("yaml", "a long scalar", many("a "));
    add("yaml", "a long quoted scalar", format!("\"{}\"", many("\\x00")));
    add("yaml", "folded lines", format!("\"{}\"", many("\n")));
    add("yaml-stream", "documents", many("---\n"));
    add("yaml-stream", "directives", many("%YAML 1.2\n---\n...\n"));
    for header in [1, 10, 1 << 10, 1 << 20] {
        let name = "n".repeat(header);
        add("csv", "a long name", format!("{name}\n{}", many("1\n")));
    }
    let names: String = (0..1000).map(|n| format!("{},", word(n))).collect();
    add(
        "csv",
        "many columns, all empty",
        format!("{names}\n{}", many(&format!("{}\n", ",".repeat(1000)))),
    );
    add("csv", "two columns, all empty", format!("a,b\n{}", many(",\n")));
    add("csv", "controls in a name", format!("{}\n{}", "\u{1}".repeat(100), many("1\n")));
    add("csv", "names", numbered(|n| format!("{},", word(n))));
    add(
        "csv",
        "a wide row",
        format!("{}\n{}", numbered(|n| format!("{},", word(n))), ",".repeat(1000)),
    );
    add("csv, lax", "a row of nothing", many(","));
    add("csv, lax", "rows of nothing", many("\n"));
    add("csv, lax", "quotes", many("\"\""));
    add("tsv", "a row of nothing", many("\t"));
    add("toml", "arrays of tables", many("[[a]]\n"));
    add("toml", "nested arrays of tables", format!("[[a]]\n{}", many("[[a.b]]\n")));
    add("toml", "tables", numbered(|n| format!("[{}]\n", word(n))));
    add("toml", "tables of a table", numbered(|n| format!("[a.{}]\n", word(n))));
    add("toml", "values", numbered(|n| format!("{}=1\n", word(n))));
    add("toml", "equal values", many("a=1\n"));
    add("toml", "dotted keys", numbered(|n| format!("a.{}=1\n", word(n))));
    add("toml", "long key paths", numbered(|n| format!("[{}{}]\n", word(n), ".a".repeat(100))));
    add("toml", "deep dotted keys", numbered(|n| format!("{}{}=1\n", word(n), ".a".repeat(100))));
    add("toml", "an array", format!("a=[{}]", many("1,")));
    add("toml", "inline tables", format!("a=[{}]", many("{},")));
    add("toml", "inline tables with a value", format!("a=[{}]", many("{a=1},")));
    add("toml", "an inline table", format!("a={{{}}}", numbered(|n| format!("{}=1,", word(n)))));
    add("toml", "deep", format!("a={}", deep(100, &many("1,"))));
    add("toml", "line breaks", many("\n"));
    add("toml", "a syntax error after many tokens", format!("a=[{}", many("1,")));
    add("toml", "dates", format!("a=[{}]", many("07:32,")));
    for codec in ["json", "yaml"] {
        add(codec, "ones", format!("[{}1]", many("1,")));
        add(codec, "empty lists", format!("[{}1]", many("[],")));
        add(codec, "empty maps", format!("[{}1]", many("{},")));
        add(codec, "empty texts", format!("[{}1]", many("\"\",")));
        add(codec, "nulls", format!("[{}1]", many("null,")));
        add(codec, "big integers", format!("[{}1]", many("18446744073709551616,")));
        add(codec, "great integers", format!("[{}1]", many(&format!("{},", "9".repeat(300)))));
        add(codec, "floats", format!("[{}1]", many("1e9,")));
        add(codec, "big floats", format!("[{}1]", many("1e19,")));
        add(codec, "controls", format!("[\"{}\"]", many("\\u0000")));
        add(codec, "keys", format!("{{{}\"\":1}}", numbered(|n| format!("\"{}\":1,", word(n)))));
        add(codec, "maps of one key", format!("[{}1]", many("{\"a\":1},")));
        add(
            codec,
            "a table under a long name",
            format!(
                "{{\"{}\":{{{}\"\":{{}}}}}}",
                "k".repeat(100_000),
                (0..300_000).map(|n| format!("\"{}\":{{}},", word(n))).collect::<String>()
            ),
        );
        add(codec, "rows of one list", format!("[[{}1]]", many("1,")));
        add(
            codec,
            "rows of one map",
            format!("[{{{}\"\":1}}]", numbered(|n| format!("\"{}\":1,", word(n)))),
        );
        for levels in [3, 10, 30, 100] {
            add(codec, "ones, deep", deep(levels, &format!("{}1", many("1,"))));
            add(codec, "maps, deep", deep(levels, &format!("{}1", many("{\"a\":1},"))));
        }
        add(codec, "short lists, deep", format!("[{}1]", many(&format!("{},", deep(100, "1,1")))));
    }
    add("jsonl", "ones", many("1\n"));
    add("jsonl", "line breaks", many("\n"));
    let mut bytes = |codec, what, before: &[u8], part: &[u8], after: &[u8]| {
        let body = [before, &part.repeat(BODY / part.len()), after].concat();
        bodies.push((codec, what, body));
    };
    let count = |head: &[u8], width: usize| -> Vec<u8> {
        let count = u32::try_from(BODY / width).expect("a count");
        [head, &count.to_be_bytes()].concat()
    };
    for (what, part) in [
        ("nulls", &[0xf6][..]),
        ("zeros", &[0]),
        ("booleans", &[0xf5]),
        ("empty lists", &[0x80]),
        ("empty maps", &[0xa0]),
        ("empty texts", &[0x60]),
        ("half floats", &[0xf9, 0x00, 0x01]),
        ("floats", &[0xfa, 0x00, 0x00, 0x00, 0x01]),
        ("bytes", &[0x41, 0x00]),
        ("controls", &[0x61, 0x00]),
        ("bignums", &[0xc2, 0x41, 0x01]),
        ("integers", &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("dates", &[0xc0, 0x61, 0x30]),
        ("maps of one key", &[0xa1, 0x61, 0x61, 0xf6]),
        ("indefinite lists", &[0x9f, 0xff]),
        ("texts in chunks", &[0x7f, 0x60, 0xff]),
        ("rows", &[0x81, 0x60]),
        ("keys in chunks", &[0xa1, 0x7f, 0x60, 0xff, 0xf6]),
    ] {
        bytes("cbor", what, &count(&[0x9a], part.len()), part, &[]);
        bytes("cbor, sorted", what, &[0x9f], part, &[0xff]);
        bytes(
            "cbor",
            "a list in a list",
            &[&[0x81][..], &count(&[0x9a], part.len())].concat(),
            part,
            &[],
        );
        bytes("cbor", "deep", &[&[0x81; 100][..], &count(&[0x9a], part.len())].concat(), part, &[]);
    }
    bytes("cbor", "equal keys", &count(&[0xba], 2), &[0, 0], &[]);
    bytes("cbor", "equal keys, indefinite", &[0xbf], &[0, 0], &[0xff]);
    bytes(
        "cbor",
        "a long text",
        &[&[0x7a][..], &u32::try_from(BODY).expect("a length").to_be_bytes()].concat(),
        &[1],
        &[],
    );
    bytes("cbor", "tags", &[], &[0xc0], &[]);
    bytes("cbor", "chunks", &[0x5f], &[0x40], &[0xff]);
    for (what, part) in [
        ("nils", &[0xc0][..]),
        ("empty maps", &[0x80]),
        ("empty lists", &[0x90]),
        ("floats", &[0xca, 0, 0, 0, 1]),
        ("timestamps", &[0xd6, 0xff, 0, 0, 0, 0]),
        ("extension types", &[0xd4, 0x05, 0x00]),
        ("empty extension types", &[0xc7, 0x00, 0x05]),
        ("empty bytes", &[0xc4, 0x00]),
        ("maps of one key", &[0x81, 0xa0, 0xc0]),
    ] {
        bytes("msgpack", what, &count(&[0xdd], part.len()), part, &[]);
        bytes(
            "msgpack",
            "deep",
            &[&[0x91; 100][..], &count(&[0xdd], part.len())].concat(),
            part,
            &[],
        );
    }
    bytes("msgpack", "equal keys", &count(&[0xdf], 2), &[0, 0], &[]);
    // Short keys that all differ.
    let keys: Vec<u8> = (0..u32::try_from(BODY / 6).expect("a count"))
        .flat_map(|key| [&[0x1a][..], &key.to_be_bytes(), &[0xf6]].concat())
        .collect();
    bodies.push(("cbor", "integer keys", [&count(&[0xba], 6)[..], &keys].concat()));
    bodies.push((
        "cbor",
        "a map of integer keys in a list",
        [&[0x81][..], &count(&[0xba], 6), &keys].concat(),
    ));
    bodies
}

/// Markdown that is designed to need much memory: a description and the text, of a body's length at most.
#[must_use]
pub fn hostile_markdown() -> Vec<(&'static str, String)> {
    let mut texts: Vec<(&'static str, String)> =
        MARKDOWN.iter().map(|&part| (part, many(part))).collect();
    let mut add = |what, text: String| texts.push((what, text));
    add("definitions and uses", numbered(|n| format!("[{}]: /a\n[{}]\n\n", word(n), word(n))));
    add(
        "a long definition",
        format!("[a]: /{}\n\n{}", "x".repeat(BODY / 4), "[a] ".repeat(BODY / 8)),
    );
    add("a wide table", format!("{}\n{}\n{}", "|a".repeat(1000), "|-".repeat(1000), many("|\n")));
    add("footnotes", numbered(|n| format!("[^{}]: a\n", word(n))));
    for (_, text) in &mut texts {
        text.truncate(BODY);
    }
    texts
}

/// Parts of Markdown.
pub const MARKDOWN: &[&str] = &[
    "[",
    "![",
    "*a",
    "**",
    "_a_",
    "`",
    "``a",
    "> ",
    "- ",
    "1. ",
    "# ",
    "|a|b|\n",
    "[a](",
    "[a](b)",
    "<a>",
    "<!--",
    "&amp;",
    "&#0;",
    "\\",
    "\n",
    "\n\n",
    "    ",
    "<http://a>",
    "~~~\n",
    "***\n",
    "a",
    "\"",
    "<",
];

/// Parts of bodies, from all formats.
pub const PARTS: &[&str] = &[
    "&a ",
    "*a",
    "*a,",
    "&b [",
    "<<: *a",
    "- ",
    "? ",
    ": ",
    "a: ",
    "\n",
    "  ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\"",
    "'",
    "|\n ",
    "!t ",
    "~",
    "---\n",
    "[[a]]\n",
    "[a.b]\n",
    "a.b=",
    "a=1\n",
    "x,y\n",
    "1,2\n",
    ",",
    "\t",
    "1e9",
    "18446744073709551616",
    "\"a\":1,",
    "{\"a\":",
    "null",
    "\\u0000",
    "#",
    "0",
    "aaaaaaaaaaaaaaaa",
];
