//! The code of an application: the kind, what callers call, a handle, a mock, and a check of plugins.

use std::fmt::Write as _;

use wit_parser::Type;

use crate::read::{Answer, Function, OwnKind, TYPES, ident};
use crate::types::{Sample, to_owned};

impl OwnKind {
    /// The code for a module of an application that depends on `plugbay`. For a kind `greeter`:
    ///
    /// | item | what it is |
    /// |---|---|
    /// | `GreeterKind` | the kind, for `Builder::kind` and `Host::get` |
    /// | `trait Greeter` | the functions, as the application calls them, each also with `_async` |
    /// | `GreeterHandle` | a `Greeter`: the plugin that serves when a call begins |
    /// | `GreeterMock` | a `Greeter` for the application's own tests: a closure for each function |
    /// | `check_plugin` | calls each function of a plugin with values at the edges |
    /// | `trait GreeterCalls` | the functions with a context, for `Handle::call` with options of one's own |
    ///
    /// and the types of the interface.
    #[must_use]
    pub fn host_code(&self) -> String {
        // Lints of the application are not for code that nobody writes.
        let mut code = "#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, reason = \"generated\")]
mod generated {
"
        .to_owned();
        self.bindings(&mut code);
        self.kind(&mut code);
        self.calls(&mut code);
        self.api(&mut code);
        self.handle(&mut code);
        self.mock(&mut code);
        self.check(&mut code);
        code.push_str("}\n#[allow(unused_imports, reason = \"an application uses what it needs\")]\npub use generated::*;\n");
        code
    }

    fn bindings(&self, code: &mut String) {
        let (wit, world, module) = (self.wit(), self.world(), self.module());
        // The generator refuses the name of an interface that is not used.
        let with = if self.uses_types() {
            format!("        with: {{ {TYPES:?}: ::plugbay::wasm::types }},\n")
        } else {
            String::new()
        };
        let _ = write!(
            code,
            "#[allow(dead_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = \"generated\")]
mod bindings {{
    ::plugbay::wasm::wasmtime::component::bindgen!({{
        inline: {wit:?},
        world: {world:?},
        wasmtime_crate: ::plugbay::wasm::wasmtime,
{with}    }});
}}
"
        );
        let names: Vec<_> = self.type_names().map(|(name, _)| crate::read::camel(name)).collect();
        if !names.is_empty() {
            let _ = writeln!(
                code,
                "#[allow(unused_imports, reason = \"the types of the interface\")]
pub use bindings::{module}::{{{}}};",
                names.join(", ")
            );
        }
    }

    /// The type of a `TypedFunc` for the function.
    fn typed(&self, function: &Function) -> String {
        let index = if function.indexed { "u32, " } else { "" };
        let params: Vec<_> = function.params.iter().map(|(_, of)| self.owned(*of) + ",").collect();
        let result = function.result.map(|of| self.owned(of) + ",").unwrap_or_default();
        let params = params.join(" ");
        format!("::plugbay::wasm::wasmtime::component::TypedFunc<({index}{params}), ({result})>")
    }

    /// The type of what a call returns when it succeeds.
    fn success(&self, function: &Function) -> String {
        let (Answer::Value(of) | Answer::OrError(of)) = self.answer(function);
        of.map_or_else(|| "()".to_owned(), |of| self.owned(of))
    }

    fn kind(&self, code: &mut String) {
        let (name, kind, interface) = (self.name(), self.type_name(), self.interface());
        let _ = write!(
            code,
            "/// The kind `{name}` of plugins: the interface `{interface}`.
#[derive(Clone, Copy, Debug)]
pub struct {kind}Kind;

impl ::plugbay::Kind for {kind}Kind {{
    const NAME: &'static str = {name:?};
    type Call = dyn {kind}Calls;
}}

/// The functions of one instance of a plugin.
#[doc(hidden)]
#[allow(missing_debug_implementations)]
pub struct {kind}Guest {{
"
        );
        for function in &self.functions {
            let _ = writeln!(code, "    {}: {},", ident(&function.name), self.typed(function));
        }
        let _ = write!(
            code,
            "}}

impl ::plugbay::wasm::WasmKind for {kind}Kind {{
    const INTERFACE: &'static str = {interface:?};
    type Guest = {kind}Guest;

    fn load(exports: &mut ::plugbay::wasm::Exports<'_>) -> ::plugbay::wasm::wasmtime::Result<Self::Guest> {{
        ::core::result::Result::Ok({kind}Guest {{
"
        );
        for function in &self.functions {
            let _ = writeln!(
                code,
                "            {}: exports.function({:?})?,",
                ident(&function.name),
                function.name
            );
        }
        let _ = write!(
            code,
            "        }})
    }}

    fn provide(calls: ::plugbay::wasm::Calls<Self>) -> ::std::sync::Arc<dyn {kind}Calls> {{
        ::std::sync::Arc::new(calls)
    }}
}}
"
        );
    }

    /// The call object.
    fn calls(&self, code: &mut String) {
        let kind = self.type_name();
        let mut methods = String::new();
        let mut bodies = String::new();
        for function in &self.functions {
            let name = ident(&function.name);
            let params: String = (function.params.iter())
                .map(|(name, of)| format!(", {}: {}", ident(name), self.owned(*of)))
                .collect();
            let success = self.success(function);
            let plain = format!(
                "fn {name}(&self, context: &::plugbay::Context<'_>{params}) -> ::core::result::Result<{success}, ::plugbay::CallError>"
            );
            let later = format!(
                "fn {name}_async<'a>(&'a self, context: ::plugbay::Context<'a>{params}) -> ::plugbay::CallFuture<'a, {success}>"
            );
            let index = if function.indexed { "self.capability(), " } else { "" };
            let names: String =
                (function.params.iter()).map(|(name, _)| ident(name) + ", ").collect();
            let answer = match (self.answer(function), function.result) {
                (Answer::OrError(_), _) => "|(answer,)| answer",
                (Answer::Value(_), Some(_)) => "|(answer,)| ::core::result::Result::Ok(answer)",
                (Answer::Value(_), None) => "|()| ::core::result::Result::Ok(())",
            };
            let arguments = format!("context, |guest| &guest.{name}, ({index}{names}), {answer}");
            let _ = write!(
                methods,
                "{docs}    #[allow(missing_docs, clippy::missing_errors_doc, reason = \"the WIT has none\")]
    {plain};
    /// As `{name}`, without blocking a thread.
    {later};
",
                docs = docs(function, "    "),
            );
            let _ = write!(
                bodies,
                "    {plain} {{
        self.call({arguments})
    }}
    {later} {{
        ::std::boxed::Box::pin(self.call_async({arguments}))
    }}
"
            );
        }
        let _ = write!(
            code,
            "/// The functions of the kind in one call: what `Handle::call` gives to its closure.
pub trait {kind}Calls: ::core::marker::Send + ::core::marker::Sync {{
{methods}}}

impl {kind}Calls for ::plugbay::wasm::Calls<{kind}Kind> {{
{bodies}}}
"
        );
    }

    /// The signatures for callers, without and with a future, and the parameters' names as they are passed on.
    fn signatures(&self, function: &Function) -> (String, String) {
        let name = ident(&function.name);
        let kind = self.type_name();
        let success = self.success(function);
        let params = |lifetime: &str| -> String {
            let params = function.params.iter();
            params
                .map(|(name, of)| format!(", {}: {}", ident(name), self.borrowed(*of, lifetime)))
                .collect()
        };
        let plain = params("");
        let later = params("'a ");
        (
            format!(
                "fn {name}(&self{plain}) -> ::core::result::Result<{success}, ::plugbay::Error>"
            ),
            format!("fn {name}_async<'a>(&'a self{later}) -> {kind}Future<'a, {success}>"),
        )
    }

    fn api(&self, code: &mut String) {
        let kind = self.type_name();
        let interface = &self.resolve.interfaces[self.id];
        let about: String = crate::read::lines(&interface.docs)
            .iter()
            .map(|line| format!("/// {line}\n"))
            .collect();
        let about =
            if about.is_empty() { format!("/// What a {} does.\n", self.name()) } else { about };
        let mut methods = String::new();
        for function in &self.functions {
            let name = ident(&function.name);
            let (plain, later) = self.signatures(function);
            let names: Vec<_> = function.params.iter().map(|(name, _)| ident(name)).collect();
            let names = names.join(", ");
            let _ = write!(
                methods,
                "{docs}    ///
    /// # Errors
    ///
    /// If the plugin gives no answer, or answers with an error.
    {plain};
    /// As [`{kind}::{name}`], without blocking a thread.
    {later} {{
        ::std::boxed::Box::pin(::core::future::ready(self.{name}({names})))
    }}
",
                docs = docs(function, "    "),
            );
        }
        let _ = write!(
            code,
            "/// The answer of a function that blocks no thread.
pub type {kind}Future<'a, T> =
    ::core::pin::Pin<::std::boxed::Box<dyn ::core::future::Future<Output = ::core::result::Result<T, ::plugbay::Error>> + ::core::marker::Send + 'a>>;

{about}///
/// [`{kind}Handle`] calls a plugin, [`{kind}Mock`] answers in tests.
pub trait {kind}: ::core::marker::Send + ::core::marker::Sync {{
{methods}}}
"
        );
    }

    fn handle(&self, code: &mut String) {
        let (name, kind) = (self.name(), self.type_name());
        let mut methods = String::new();
        for function in &self.functions {
            let method = ident(&function.name);
            let (plain, later) = self.signatures(function);
            let owned: Vec<_> =
                (function.params.iter()).map(|(name, of)| to_owned(*of, &ident(name))).collect();
            let owned: String = owned.iter().map(|it| format!(", {it}")).collect();
            let _ = write!(
                methods,
                "    {plain} {{
        self.0.call(::plugbay::CallOptions::default(), |calls, context| calls.{method}(context{owned}))
    }}
    {later} {{
        ::std::boxed::Box::pin(async move {{
            let lease = self.0.lease()?;
            let options = ::plugbay::CallOptions::default();
            let answer = lease.call_async(options, |calls, context| calls.{method}_async(context{owned})).await?;
            ::core::result::Result::Ok(answer)
        }})
    }}
"
            );
        }
        let _ = write!(
            code,
            "/// A {name}: each call goes to the plugin that serves when it begins.
#[derive(Clone, Debug)]
pub struct {kind}Handle(::plugbay::Handle<{kind}Kind>);

#[allow(dead_code, reason = \"an application uses what it needs\")]
impl {kind}Handle {{
    /// The {name} of this name.
    ///
    /// # Errors
    ///
    /// If no plugin offers it. The error lists those that there are.
    pub fn find(host: &::plugbay::Host, name: &str) -> ::core::result::Result<Self, ::plugbay::NotFound> {{
        host.get(name).map(Self)
    }}

    /// The handle for calls with options: a deadline, the request that the call belongs to.
    #[must_use]
    pub fn handle(&self) -> &::plugbay::Handle<{kind}Kind> {{
        &self.0
    }}
}}

impl {kind} for {kind}Handle {{
{methods}}}
"
        );
    }

    fn mock(&self, code: &mut String) {
        let (name, kind) = (self.name(), self.type_name());
        let (mut fields, mut setters, mut methods) = (String::new(), String::new(), String::new());
        for function in &self.functions {
            let method = ident(&function.name);
            let types: Vec<_> =
                function.params.iter().map(|(_, of)| self.borrowed(*of, "")).collect();
            let types = types.join(", ");
            let success = self.success(function);
            let closure = format!(
                "Fn({types}) -> ::core::result::Result<{success}, ::plugbay::Error> + ::core::marker::Send + ::core::marker::Sync"
            );
            let names: Vec<_> = function.params.iter().map(|(name, _)| ident(name)).collect();
            let names = names.join(", ");
            let (plain, _) = self.signatures(function);
            let _ = writeln!(
                fields,
                "    {method}: ::core::option::Option<::std::boxed::Box<dyn {closure}>>,"
            );
            let _ = write!(
                setters,
                "    /// Sets what `{method}` answers.
    #[must_use]
    pub fn on_{method}(mut self, answer: impl {closure} + 'static) -> Self {{
        self.{method} = ::core::option::Option::Some(::std::boxed::Box::new(answer));
        self
    }}
"
            );
            let _ = write!(
                methods,
                "    {plain} {{
        match &self.{method} {{
            ::core::option::Option::Some(answer) => answer({names}),
            ::core::option::Option::None => ::core::result::Result::Err(::plugbay::Error::Call(::plugbay::CallError::new(
                ::plugbay::CallErrorKind::Unsupported,
                \"expected {kind}Mock::on_{method} to set an answer before it is called\",
            ))),
        }}
    }}
"
            );
        }
        let _ = write!(
            code,
            "/// A {name} for tests: it answers what the test says, without a host and without a plugin.
#[derive(Default)]
#[allow(missing_debug_implementations, dead_code, reason = \"it holds closures; for tests\")]
pub struct {kind}Mock {{
{fields}}}

#[allow(dead_code, reason = \"for tests\")]
impl {kind}Mock {{
{setters}}}

impl {kind} for {kind}Mock {{
{methods}}}
"
        );
    }

    /// The battery: each function with values at the edges.
    fn check(&self, code: &mut String) {
        let (name, kind) = (self.name(), self.type_name());
        let mut calls = String::new();
        for function in &self.functions {
            for (word, which) in [("empty", Sample::Empty), ("extreme", Sample::Extreme)] {
                let values: String = (function.params.iter())
                    .map(|(_, of): &(String, Type)| format!(", {}", self.sample(*of, which)))
                    .collect();
                let _ = writeln!(
                    calls,
                    "        (\"{wit} of {word} values\", |calls, context| calls.{method}(context{values}).map(::core::mem::drop)),",
                    wit = function.name,
                    method = ident(&function.name),
                );
            }
        }
        let _ = write!(
            code,
            "/// Checks that a plugin can be one of this application: a host loads it, it offers a {name}, and each function
/// answers values at the edges, with a value or by refusing it, and neither fails, traps nor exceeds a limit.
///
/// # Errors
///
/// What the plugin failed, one line each.
#[allow(dead_code, reason = \"for tests\")]
pub fn check_plugin(plugin: impl ::core::convert::Into<::std::vec::Vec<u8>>) -> ::core::result::Result<(), ::std::string::String> {{
    let calls: &[(&str, ::plugbay::conformance::Call<{kind}Kind>)] = &[
{calls}    ];
    ::plugbay::conformance::check::<{kind}Kind>(plugin.into(), calls)
}}
"
        );
    }
}

/// The comment of a function.
fn docs(function: &Function, indent: &str) -> String {
    if function.docs.is_empty() {
        return format!("{indent}/// `{}` of the interface.\n", function.name);
    }
    function.docs.iter().map(|line| format!("{indent}/// {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_borrow_what_calls_own() {
        let text = "package a:b@0.1.0; interface greeter {
            /// Greets.
            greet: func(capability: u32, name: string) -> string;
        }";
        let code = OwnKind::read(text, "a.wit").unwrap().host_code();
        for line in [
            "fn greet(&self, name: &str) -> ::core::result::Result<::std::string::String, ::plugbay::Error>;",
            "fn greet(&self, context: &::plugbay::Context<'_>, name: ::std::string::String)",
            "self.call(context, |guest| &guest.greet, (self.capability(), name, ), |(answer,)|",
            "    /// Greets.\n",
            "(\"greet of empty values\", |calls, context| calls.greet(context, ::std::string::String::from(\"\"))",
        ] {
            assert!(code.contains(line), "{line}\n{code}");
        }
    }
}
