//! Hostile input is rendered with the fixed set of elements only.

use plugbay_plugin_render::html;
use proptest::prelude::*;

/// Inputs that would make a browser run or load something if they were not escaped.
const ATTACKS: &[&str] = &[
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<iframe src=javascript:alert(1)>",
    "<body onload=alert(1)>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<style>@import 'javascript:alert(1)';</style>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<div\nonmouseover=alert(1)>",
    "<!-- --><script>alert(1)</script>",
    "<!--><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?>",
    "x <b onclick=alert(1)>y</b>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](javascript&#58;alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java&#x0A;script:alert(1))",
    "[x](java&Tab;script:alert(1))",
    "[x](<java\tscript:alert(1)>)",
    "[x](&#1;javascript:alert(1))",
    "[x](< javascript:alert(1)>)",
    "[x](&nbsp;javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](file:///etc/passwd)",
    "[x](blob:https://evil.example/1)",
    "[x](view-source:https://evil.example)",
    "[x](https://e.example/\"onmouseover=\"alert(1))",
    "[x](<https://e.example/\" onmouseover=\"alert(1)>)",
    "[x](https://e.example 'a\"onmouseover=\"alert(1)')",
    "[x](https://e.example \"a&quot;onmouseover=&quot;alert(1)\")",
    "[x][a]\n\n[a]: javascript:alert(1)",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "<javascript&colon;alert(1)>",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
    "![x](mailto:a@b.example)",
    "![\"onerror=\"alert(1)](https://e.example/x.png)",
    "![<img src=x onerror=alert(1)>](https://e.example/x.png)",
    "![![x](javascript:alert(1))](https://e.example/x.png)",
    "```\"onmouseover=\"alert(1)\nx\n```",
    "```x\"><script>alert(1)</script>\nx\n```",
    "`<script>alert(1)</script>`",
    "    <script>alert(1)</script>",
    "# <script>alert(1)</script>",
    "1. <script>alert(1)</script>",
    "> <script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\\<script>alert(1)\\</script>",
    "\u{0}<script>alert(1)</script>",
    "<scr\u{0}ipt>alert(1)</script>",
];

/// Checks that every `<` begins a tag of the fixed set, with exactly its attributes.
fn check_safe(page: &str) -> Result<(), String> {
    let bare = [
        "p",
        "blockquote",
        "ul",
        "ol",
        "li",
        "em",
        "strong",
        "a",
        "pre",
        "code",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
    ];
    let alone = [
        "br",
        "hr",
        "p",
        "blockquote",
        "ul",
        "ol",
        "li",
        "em",
        "strong",
        "pre",
        "code",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
    ];
    for rest in page.split('<').skip(1) {
        let (tag, after) = rest.split_once('>').ok_or("a tag without an end")?;
        if after.contains('>') {
            return Err(format!("a stray > after <{tag}>"));
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let fits = match (name, attributes) {
            (name, "") if name.starts_with('/') => bare.contains(&&name[1..]),
            (name, "") => alone.contains(&name),
            ("ol", start) => {
                value(start, "start").is_some_and(|start| start.bytes().all(|b| b.is_ascii_digit()))
            }
            ("code", class) => {
                value(class, "class").is_some_and(|class| class.starts_with("language-"))
            }
            ("a", rest) => rest
                .strip_suffix(" rel=\"nofollow noopener\"")
                .map(|rest| {
                    rest.split_once("\" title=\"")
                        .map_or(rest.to_owned(), |(href, _)| format!("{href}\""))
                })
                .and_then(|href| {
                    value(&href, "href").map(|href| safe_url(href, &["http", "https", "mailto"]))
                })
                .unwrap_or(false),
            ("img", rest) => rest
                .strip_suffix("\" loading=\"lazy\" referrerpolicy=\"no-referrer\"")
                .and_then(|rest| rest.split_once("\" alt=\""))
                .filter(|(_, alt)| !alt.contains('"'))
                .and_then(|(src, _)| src.strip_prefix("src=\""))
                .is_some_and(|src| !src.contains('"') && safe_url(src, &["http", "https"])),
            _ => false,
        };
        if !fits {
            return Err(format!("<{tag}>"));
        }
    }
    Ok(())
}

/// The value of the attribute, if it is the only one.
fn value<'a>(attribute: &'a str, name: &str) -> Option<&'a str> {
    let value = attribute.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"')?;
    (!value.contains('"')).then_some(value)
}

/// Whether the scheme of the address is one of these, by the rules of browsers (WHATWG URL): without
/// control characters and spaces at the ends, and without tabs and line breaks.
fn safe_url(escaped: &str, schemes: &[&str]) -> bool {
    let url = escaped
        .replace("&#39;", "'")
        .replace("&#96;", "`")
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    let url: String = url
        .trim_matches(|c: char| c <= ' ')
        .chars()
        .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
        .collect();
    match url.split_once(':') {
        Some((scheme, _))
            if scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) =>
        {
            schemes.contains(&scheme.to_ascii_lowercase().as_str())
        }
        _ => true,
    }
}

#[test]
fn attacks_become_text() {
    for attack in ATTACKS {
        let page = html(attack, 10_000).expect("short");
        check_safe(&page).unwrap_or_else(|why| panic!("{attack:?} became {page:?}: {why}"));
    }
}

#[test]
fn the_check_finds_unsafe_pages() {
    for page in [
        "<script>",
        "<a href=\"javascript:x\" rel=\"nofollow noopener\">",
        "<p onclick=\"x\">",
        "<img src=\"data:x\" alt=\"\" loading=\"lazy\" referrerpolicy=\"no-referrer\">",
        "<a href=\"x\">",
        "a > <p>>",
    ] {
        assert!(check_safe(page).is_err(), "{page}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_safe(text in ".{0,200}") {
        let page = html(&text, 100_000).expect("short");
        prop_assert_eq!(check_safe(&page), Ok(()), "{}", page);
    }

    #[test]
    fn any_mix_of_attacks_is_safe(parts in proptest::collection::vec(prop_oneof![
        proptest::sample::select(ATTACKS).prop_map(str::to_owned),
        proptest::sample::select(&["\n", "\n\n", " ", "> ", "* ", "[", "](", ")", "![", "`", "```\n", "<", ">", "\"", "'", "\\", "&", "\t", "**", "_"][..]).prop_map(str::to_owned),
        "[a-z:/]{0,5}",
    ], 0..12)) {
        let page = html(&parts.concat(), 100_000).expect("short");
        prop_assert_eq!(check_safe(&page), Ok(()), "{}", page);
    }
}
