//! The code of a plugin in Rust, above the bindings of `wit-bindgen`: a trait in the words of the SDK, and what
//! `export!(Type: own kind)` refers to.

use std::fmt::Write as _;

use crate::read::{Answer, Function, OwnKind, camel, ident, lines};
use crate::types::Sample;

impl OwnKind {
    /// The code of the module `kind` of a plugin; its module `bindings` is what `wit-bindgen` writes of
    /// [`OwnKind::wit`] for [`OwnKind::world`].
    #[must_use]
    pub fn guest_code(&self) -> String {
        let (name, kind, interface, module) =
            (self.name(), self.type_name(), self.interface(), self.module());
        let mut code = format!(
            "//! The kind `{name}`: the interface `{interface}` of `wit/{name}.wit`.
//!
//! Made by `plugbay new`; `plugbay new --sdk` writes it again after a change of the WIT.

#[rustfmt::skip]
#[allow(warnings, clippy::all, clippy::pedantic, reason = \"generated\")]
pub mod bindings;

"
        );
        let types: Vec<_> = self.own_types().map(camel).collect();
        if !types.is_empty() {
            let _ = writeln!(
                code,
                "#[allow(unused_imports, reason = \"the types of the interface\")]\npub use bindings::{module}::{{{}}};\n",
                types.join(", ")
            );
        }
        let about = lines(&self.resolve.interfaces[self.id].docs);
        for line in about {
            let _ = writeln!(code, "/// {line}");
        }
        let _ = write!(
            code,
            "pub trait {kind}: Sized + 'static {{
    /// The name that the application asks for.
    const NAME: &'static str;
    /// One line for people.
    const DESCRIPTION: &'static str = \"\";
"
        );
        for function in &self.functions {
            code.push('\n');
            for line in &function.docs {
                let _ = writeln!(code, "    /// {line}");
            }
            let _ = writeln!(code, "    {};", self.guest_signature(function));
        }
        let _ = write!(
            code,
            "}}

/// What `export!` describes.
#[doc(hidden)]
pub fn info<P: {kind}>() -> plugbay_sdk::__private::Info {{
    plugbay_sdk::__private::own::info({name:?}, P::NAME, P::DESCRIPTION)
}}

/// The plugin `P` behind the interface.
#[doc(hidden)]
#[allow(dead_code, reason = \"only a component has it\")]
pub struct Exports<P>(core::marker::PhantomData<P>);

#[cfg(target_family = \"wasm\")]
impl<P: {kind} + plugbay_sdk::__private::InstanceCell> bindings::{module}::Guest for Exports<P> {{
"
        );
        for function in &self.functions {
            self.export(function, &mut code);
        }
        code.push_str("}\n");
        if self.functions.iter().any(|function| matches!(self.answer(function), Answer::OrError(_)))
        {
            let _ = write!(
                code,
                "
#[cfg(target_family = \"wasm\")]
fn error(error: plugbay_sdk::Error) -> bindings::plugbay::plugin::types::Error {{
    use bindings::plugbay::plugin::types::Error;
    use plugbay_sdk::ErrorKind;
    let (kind, message) = plugbay_sdk::__private::own::parts(error);
    match kind {{
        ErrorKind::InvalidInput => Error::InvalidInput(message),
        ErrorKind::Unsupported => Error::Unsupported(message),
        ErrorKind::Unavailable => Error::Unavailable(message),
        _ => Error::Internal(message),
    }}
}}
"
            );
        }
        code
    }

    /// The names of the interface's types, without that of the error of a call.
    fn own_types(&self) -> impl Iterator<Item = &str> {
        let own =
            self.type_names().filter(|(_, id)| !self.is_call_error(wit_parser::Type::Id(*id)));
        own.map(|(name, _)| name)
    }

    /// `fn greet(&self, name: String) -> Result<String>`
    fn guest_signature(&self, function: &Function) -> String {
        let params: String = (function.params.iter())
            .map(|(name, of)| format!(", {}: {}", ident(name), self.short(*of)))
            .collect();
        let result = match self.answer(function) {
            Answer::Value(None) => String::new(),
            Answer::Value(Some(of)) => format!(" -> {}", self.short(of)),
            Answer::OrError(of) => {
                let of = of.map_or_else(|| "()".to_owned(), |of| self.short(of));
                format!(" -> plugbay_sdk::Result<{of}>")
            }
        };
        format!("fn {}(&self{params}){result}", ident(&function.name))
    }

    /// A type as an author writes it.
    fn short(&self, of: wit_parser::Type) -> String {
        self.owned(of)
            .replace("::std::string::", "")
            .replace("::std::vec::", "")
            .replace("::core::option::", "")
            .replace("::core::result::Result<", "core::result::Result<")
    }

    fn export(&self, function: &Function, code: &mut String) {
        let name = ident(&function.name);
        let index = if function.indexed { "capability: u32, " } else { "" };
        let params: Vec<_> = (function.params.iter())
            .map(|(name, of)| format!("{}: {}", ident(name), self.owned(*of)))
            .collect();
        let result = function.result.map(|of| {
            let error = "bindings::plugbay::plugin::types::Error";
            match self.answer(function) {
                Answer::OrError(of) => {
                    let of = of.map_or_else(|| "()".to_owned(), |of| self.owned(of));
                    format!(" -> core::result::Result<{of}, {error}>")
                }
                Answer::Value(_) => format!(" -> {}", self.owned(of)),
            }
        });
        let names: Vec<_> = function.params.iter().map(|(name, _)| ident(name)).collect();
        let which = if function.indexed { "Some(capability)" } else { "None" };
        let instance =
            format!("plugbay_sdk::__private::own::instance::<P>({which}, {:?})", self.name());
        let call = format!("plugin.{name}({})", names.join(", "));
        let body = match self.answer(function) {
            Answer::OrError(_) => format!("{instance}.and_then(|plugin| {call}).map_err(error)"),
            Answer::Value(_) => format!(
                "match {instance} {{ Ok(plugin) => {call}, Err(error) => panic!(\"{{error}}\") }}"
            ),
        };
        let _ = write!(
            code,
            "    fn {name}({index}{}){} {{
        {body}
    }}
",
            params.join(", "),
            result.unwrap_or_default(),
        );
    }

    /// The plugin of a template, as the text of `src/lib.rs`: `plugin-name`, `PluginName` stand for its name.
    #[must_use]
    pub fn guest_template(&self) -> String {
        let (name, kind) = (self.name(), self.type_name());
        let types: Vec<_> = self.own_types().map(camel).collect();
        let uses = if types.is_empty() {
            String::new()
        } else {
            format!(
                "#[allow(unused_imports, reason = \"the types of the interface\")]\nuse kind::{{{}}};\n",
                types.join(", ")
            )
        };
        let (mut methods, mut asserts) = (String::new(), String::new());
        for function in &self.functions {
            let value = match self.answer(function) {
                Answer::Value(of) | Answer::OrError(of) => {
                    of.map_or_else(|| "()".to_owned(), |of| self.sample(of, Sample::Empty))
                }
            };
            let value = value
                .replace("::std::string::", "")
                .replace("::std::vec::", "")
                .replace("::core::option::Option::", "")
                .replace("::core::result::Result::", "");
            let or_error = matches!(self.answer(function), Answer::OrError(_));
            let unused: String = (function.params.iter())
                .map(|(name, _)| {
                    format!("        let _ = {}; // what the caller gives\n", ident(name))
                })
                .collect();
            let body = if or_error { format!("Ok({value})") } else { value.clone() };
            let _ = write!(
                methods,
                "\n    {} {{\n{unused}        {body}\n    }}\n",
                self.guest_signature(function)
            );
            let values: Vec<_> =
                function.params.iter().map(|(_, of)| self.sample(*of, Sample::Empty)).collect();
            let unwrap = if or_error { ".unwrap()" } else { "" };
            let _ = writeln!(
                asserts,
                "        let answer = plugin.{}({}){unwrap};\n        assert_eq!(format!(\"{{answer:?}}\"), format!(\"{{:?}}\", {value}));",
                ident(&function.name),
                values.join(", "),
            );
        }
        format!(
            "//! A {name}.

mod kind;

use plugbay_sdk::prelude::*;

{uses}
/// The plugin, and its one {name}.
struct PluginName;

impl Plugin for PluginName {{
    const NAME: &'static str = \"plugin-name\";
    const DESCRIPTION: &'static str = \"a {name}\";
    type Config = ();

    fn new((): ()) -> Result<Self> {{
        Ok(Self)
    }}
}}

impl kind::{kind} for PluginName {{
    const NAME: &'static str = \"plugin-name\";
{methods}}}

export!(PluginName: own kind);

#[cfg(test)]
mod tests {{
    use super::kind::{kind} as _;
    use super::*;

    #[test]
    fn it_answers() {{
        let plugin = PluginName::new(()).unwrap();
{asserts}    }}
}}
"
        )
    }
}
