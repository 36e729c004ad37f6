//! The macro `plugbay::kind!`, which reads a WIT interface when the application is compiled.
//!
//! All of it but the reading of the macro's argument is in `plugbay-kind`.

#![forbid(unsafe_code)]

use std::path::Path;
use std::{env, fs};

use plugbay_kind::OwnKind;
use proc_macro::{TokenStream, TokenTree};

/// Makes a kind of plugin from a WIT interface: write it into a module of its own.
///
/// `plugbay::kind!("wit/greeter.wit")` reads a file, by its path from the folder of `Cargo.toml`;
/// `plugbay::kind!(inline "package …")` takes the text itself. The interface can use types of other interfaces of
/// that text, and of `plugbay:plugin`. For an interface `greeter` the module has the kind `GreeterKind`, the trait
/// `Greeter` with its functions, `GreeterHandle`, which calls plugins, `GreeterMock` for tests, and `check_plugin`.
#[proc_macro]
pub fn kind(argument: TokenStream) -> TokenStream {
    let code =
        expand(argument).unwrap_or_else(|message| format!("::core::compile_error!({message:?});"));
    code.parse().unwrap_or_else(|error| {
        let message = format!("the code of the kind is not Rust: {error}");
        format!("::core::compile_error!({message:?});").parse().unwrap_or_default()
    })
}

fn expand(argument: TokenStream) -> Result<String, String> {
    let expected = || {
        "expected the path of a WIT file, as in `kind!(\"wit/greeter.wit\")`, or `inline` and the text".to_owned()
    };
    let tokens: Vec<_> = argument.into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Literal(path)] => {
            let path = text_of(&path.to_string()).ok_or_else(expected)?;
            let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
            let file = Path::new(&folder).join(&path);
            let text = fs::read_to_string(&file)
                .map_err(|error| format!("expected a WIT file at {}: {error}", file.display()))?;
            let kind = OwnKind::read(&text, &path).map_err(|error| error.to_string())?;
            // So that a change of the file compiles the module again.
            let seen = format!(
                "const _: &[u8] = ::core::include_bytes!({:?});\n",
                file.display().to_string()
            );
            Ok(seen + &kind.host_code())
        }
        [TokenTree::Ident(word), TokenTree::Literal(text)] if word.to_string() == "inline" => {
            let text = text_of(&text.to_string()).ok_or_else(expected)?;
            let kind =
                OwnKind::read(&text, "the text of `kind!`").map_err(|error| error.to_string())?;
            Ok(kind.host_code())
        }
        _ => Err(expected()),
    }
}

/// The text of a string literal without escapes other than the usual ones, or of a raw one.
fn text_of(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('r') {
        let text = raw.trim_matches('#');
        return text.strip_prefix('"')?.strip_suffix('"').map(str::to_owned);
    }
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::new();
    let mut rest = inner.chars();
    while let Some(next) = rest.next() {
        if next != '\\' {
            text.push(next);
            continue;
        }
        match rest.next()? {
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            // A line's end that is no part of the text, and the indentation behind it.
            '\n' => {
                let tail = rest.as_str().trim_start().to_owned();
                return Some(text + &text_of(&format!("\"{tail}\""))?);
            }
            same @ ('\\' | '"' | '\'') => text.push(same),
            _ => return None,
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::text_of;

    #[test]
    fn literals_are_read_as_the_compiler_reads_them() {
        assert_eq!(text_of(r#""a\n\"b\"""#).unwrap(), "a\n\"b\"");
        assert_eq!(text_of("r#\"a \"b\" c\"#").unwrap(), "a \"b\" c");
        assert_eq!(text_of("\"a \\\n   b\"").unwrap(), "a b");
        assert_eq!(text_of("b\"a\""), None);
        assert_eq!(text_of("7"), None);
    }
}
