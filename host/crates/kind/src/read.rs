//! From the text of a WIT file to an interface that a kind can have.

use heck::{ToSnakeCase as _, ToUpperCamelCase as _};
use thiserror::Error;
use wit_parser::{
    Docs, FunctionKind, InterfaceId, Resolve, Type, TypeDefKind, TypeId, TypeOwner, WorldItem,
};

/// The files of `plugbay:plugin`, which the WIT of a kind may use.
const PLUGIN: [&str; 3] = [
    include_str!("../../../../wit/types.wit"),
    include_str!("../../../../wit/host.wit"),
    include_str!("../../../../wit/kinds.wit"),
];

/// The head of these files.
const PLUGIN_PACKAGE: &str = "package plugbay:plugin@1.0.0";

/// The interface whose type `error` is the error of a call.
pub(crate) const TYPES: &str = "plugbay:plugin/types@1.0.0";

/// The interface of the lifecycle, which a plugin's world exports beside that of the kind.
const LIFECYCLE: &str = "plugbay:plugin/lifecycle@1.0.0";

/// The kinds that Plugbay has already.
const BUILT_IN: [&str; 2] = ["codec", "handler"];

/// A WIT file is not that of a kind.
#[derive(Debug, Error)]
#[error("{file}: {message}")]
pub struct KindError {
    /// The name that the file was read by.
    pub file: String,
    /// What was expected, what was found, and what to do.
    pub message: String,
}

/// The interface of an application's own kind.
#[derive(Debug)]
pub struct OwnKind {
    pub(crate) resolve: Resolve,
    pub(crate) id: InterfaceId,
    pub(crate) functions: Vec<Function>,
    wit: String,
}

/// A function of the interface.
#[derive(Debug)]
pub(crate) struct Function {
    /// Its name in WIT.
    pub(crate) name: String,
    pub(crate) docs: Vec<String>,
    /// Its parameters, without that for the capability's index.
    pub(crate) params: Vec<(String, Type)>,
    /// Whether the first parameter is the capability's index.
    pub(crate) indexed: bool,
    pub(crate) result: Option<Type>,
}

/// What a function answers.
pub(crate) enum Answer {
    /// Nothing, or a value.
    Value(Option<Type>),
    /// Nothing or a value, or the error of a call.
    OrError(Option<Type>),
}

impl OwnKind {
    /// Reads the text of a WIT file; `file` names it in errors.
    ///
    /// # Errors
    ///
    /// If the text is not WIT, if it has not exactly one interface with functions and no world says which one plugins
    /// export, or if a function has a parameter or a result that is no value.
    pub fn read(text: &str, file: &str) -> Result<Self, KindError> {
        read(text).map_err(|message| KindError { file: file.to_owned(), message })
    }

    /// The kind's name, as plugins describe it: the interface's.
    #[must_use]
    pub fn name(&self) -> &str {
        self.resolve.interfaces[self.id].name.as_deref().unwrap_or_default()
    }

    /// The interface with package and version: `acme:greet/greeter@0.1.0`.
    #[must_use]
    pub fn interface(&self) -> String {
        self.resolve.id_of(self.id).unwrap_or_default()
    }

    /// The kind's name as that of a Rust type: `Greeter`.
    #[must_use]
    pub fn type_name(&self) -> String {
        self.name().to_upper_camel_case()
    }

    /// The whole WIT as one text, with the interfaces of `plugbay:plugin`, and the world [`OwnKind::world`].
    #[must_use]
    pub fn wit(&self) -> &str {
        &self.wit
    }

    /// The world that exports the interface and nothing else.
    #[must_use]
    pub fn world(&self) -> String {
        world_of(self.name())
    }

    /// Where generators of bindings put the interface: `exports::acme::greet::greeter`.
    #[must_use]
    pub fn module(&self) -> String {
        let interface = &self.resolve.interfaces[self.id];
        let package = interface.package.map(|id| &self.resolve.packages[id].name);
        let (namespace, name) = package.map_or(("", ""), |it| (&*it.namespace, &*it.name));
        format!("exports::{}::{}::{}", ident(namespace), ident(name), ident(self.name()))
    }

    /// Whether the interface uses a type of `plugbay:plugin/types`.
    pub(crate) fn uses_types(&self) -> bool {
        let world = self.world();
        let mut worlds = self.resolve.worlds.iter().map(|(_, it)| it).filter(|it| it.name == world);
        worlds.any(|world| {
            world.imports.values().any(|item| {
                matches!(item, WorldItem::Interface { id, .. } if self.resolve.id_of(*id).as_deref() == Some(TYPES))
            })
        })
    }

    /// The names of the interface's types, those of other interfaces that it uses included.
    pub(crate) fn type_names(&self) -> impl Iterator<Item = (&str, TypeId)> {
        self.resolve.interfaces[self.id].types.iter().map(|(name, id)| (name.as_str(), *id))
    }

    /// What a function answers.
    pub(crate) fn answer(&self, function: &Function) -> Answer {
        if let Some(Type::Id(id)) = function.result
            && let TypeDefKind::Result(result) = &self.resolve.types[id].kind
            && result.err.is_some_and(|error| self.is_call_error(error))
        {
            return Answer::OrError(result.ok);
        }
        Answer::Value(function.result)
    }

    /// Whether the type is `error` of `plugbay:plugin/types`.
    pub(crate) fn is_call_error(&self, mut found: Type) -> bool {
        while let Type::Id(id) = found {
            let definition = &self.resolve.types[id];
            if let TypeDefKind::Type(alias) = definition.kind {
                found = alias;
                continue;
            }
            let TypeOwner::Interface(owner) = definition.owner else { return false };
            return definition.name.as_deref() == Some("error")
                && self.resolve.id_of(owner).as_deref() == Some(TYPES);
        }
        false
    }
}

fn read(text: &str) -> Result<OwnKind, String> {
    let parsed = parse(text, "")?;
    let (resolve, package) = &parsed;
    let name = exported(resolve, *package)?;
    let world = format!("world {} {{ export {name}; }}\n", world_of(&name));
    let (resolve, package) = parse(text, &world)?;
    let Some(id) = resolve.packages[package].interfaces.get(&name).copied() else {
        return Err(format!("expected the interface {name} in the file's own package"));
    };
    if BUILT_IN.contains(&&*name) {
        return Err(format!(
            "expected a name that is no kind of Plugbay, found {name}: rename the interface"
        ));
    }
    let mut functions = Vec::new();
    for function in resolve.interfaces[id].functions.values() {
        if function.kind != FunctionKind::Freestanding {
            return Err(format!(
                "{}: expected a plain function, found one of a resource or an async one",
                function.name
            ));
        }
        let types = function.params.iter().map(|param| param.ty).chain(function.result);
        for found in types {
            values_only(&resolve, found).map_err(|what| {
                format!(
                    "{}: expected parameters and results that are values, found a {what}",
                    function.name
                )
            })?;
        }
        let mut params: Vec<_> =
            function.params.iter().map(|param| (param.name.clone(), param.ty)).collect();
        let indexed =
            params.first().is_some_and(|(name, ty)| name == "capability" && *ty == Type::U32);
        if indexed {
            params.remove(0);
        }
        functions.push(Function {
            name: function.name.clone(),
            docs: lines(&function.docs),
            params,
            indexed,
            result: function.result,
        });
    }
    let wit = whole(text, &world);
    Ok(OwnKind { resolve, id, functions, wit })
}

/// The text with the world and the package `plugbay:plugin` behind it.
fn whole(text: &str, world: &str) -> String {
    let mut whole = format!("{}\n{world}{PLUGIN_PACKAGE} {{\n", text.trim_end());
    for file in PLUGIN {
        whole.push_str(&file.replacen(&format!("{PLUGIN_PACKAGE};"), "", 1));
    }
    whole.push_str("}\n");
    whole
}

fn parse(text: &str, world: &str) -> Result<(Resolve, wit_parser::PackageId), String> {
    let mut resolve = Resolve { all_features: true, ..Resolve::default() };
    let package = resolve.push_str("kind.wit", &whole(text, world));
    let package = match package {
        Ok(package) => package,
        // With the line in which it is.
        Err(error) => return Err(resolve.render_error(&error).replace("kind.wit:", "line ")),
    };
    Ok((resolve, package))
}

/// The name of the interface that plugins export: the one that a world exports or, without a world, the one that
/// has functions.
fn exported(resolve: &Resolve, package: wit_parser::PackageId) -> Result<String, String> {
    let package = &resolve.packages[package];
    let mut names = Vec::new();
    let worlds = package.worlds.values().flat_map(|world| resolve.worlds[*world].exports.values());
    for item in worlds {
        if let WorldItem::Interface { id, .. } = item
            && resolve.id_of(*id).as_deref() != Some(LIFECYCLE)
            && let Some(name) = &resolve.interfaces[*id].name
            && !names.contains(name)
        {
            names.push(name.clone());
        }
    }
    if names.is_empty() {
        let interfaces = package.interfaces.iter();
        let with_functions =
            interfaces.filter(|(_, id)| !resolve.interfaces[**id].functions.is_empty());
        names.extend(with_functions.map(|(name, _)| name.clone()));
    }
    match names.as_slice() {
        [name] => Ok(name.clone()),
        [] => Err("expected an interface with functions, found none".to_owned()),
        several => Err(format!(
            "expected one interface that plugins export, found {}: write a world that exports one of them",
            several.join(", ")
        )),
    }
}

fn world_of(name: &str) -> String {
    format!("{name}-only")
}

/// Checks that a type has nothing that outlives a call; otherwise returns what it is.
fn values_only(resolve: &Resolve, found: Type) -> Result<(), &'static str> {
    let id = match found {
        Type::Id(id) => id,
        Type::ErrorContext => return Err("error-context"),
        _ => return Ok(()),
    };
    let all = |mut types: &mut dyn Iterator<Item = Type>| {
        (&mut types).try_for_each(|found| values_only(resolve, found))
    };
    match &resolve.types[id].kind {
        TypeDefKind::Record(record) => all(&mut record.fields.iter().map(|field| field.ty)),
        TypeDefKind::Tuple(tuple) => all(&mut tuple.types.iter().copied()),
        TypeDefKind::Variant(variant) => all(&mut variant.cases.iter().filter_map(|case| case.ty)),
        TypeDefKind::Result(result) => all(&mut result.ok.into_iter().chain(result.err)),
        TypeDefKind::Option(of) | TypeDefKind::List(of) | TypeDefKind::Type(of) => {
            values_only(resolve, *of)
        }
        TypeDefKind::Enum(_) => Ok(()),
        other => Err(other.as_str()),
    }
}

/// The lines of a comment.
pub(crate) fn lines(docs: &Docs) -> Vec<String> {
    let text = docs.contents.as_deref().unwrap_or_default();
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// A WIT name as that of a Rust function, parameter or field, as the generators of bindings write it.
pub(crate) fn ident(name: &str) -> String {
    let name = name.to_snake_case();
    let is_keyword = KEYWORDS.contains(&&*name);
    if is_keyword { format!("{name}_") } else { name }
}

/// A WIT name as that of a Rust type or case.
pub(crate) fn camel(name: &str) -> String {
    name.to_upper_camel_case()
}

/// The words of Rust that no function or field can have as a name.
const KEYWORDS: [&str; 52] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        OwnKind::read(text, "a.wit").unwrap_err().to_string()
    }

    #[test]
    fn the_interface_with_functions_is_the_kind() {
        let text = "package acme:greet@0.1.0;
            interface words { type word = string; }
            /// Greets.
            interface greeter {
                use words.{word};
                use plugbay:plugin/types@1.0.0.{error};
                greet: func(capability: u32, name: word) -> result<word, error>;
                count: func() -> u64;
            }";
        let kind = OwnKind::read(text, "greeter.wit").unwrap();
        assert_eq!((kind.name(), &*kind.type_name()), ("greeter", "Greeter"));
        assert_eq!(kind.interface(), "acme:greet/greeter@0.1.0");
        assert_eq!(kind.module(), "exports::acme::greet::greeter");
        let [greet, count] = &kind.functions[..] else { panic!("{:?}", kind.functions) };
        assert!(greet.indexed && !count.indexed);
        assert_eq!(greet.params.len(), 1);
        assert!(matches!(kind.answer(greet), Answer::OrError(Some(_))));
        assert!(matches!(kind.answer(count), Answer::Value(Some(Type::U64))));
    }

    #[test]
    fn a_world_says_which_of_several_interfaces_plugins_export() {
        let both = "package a:b; interface one { f: func(); } interface two { f: func(); }";
        assert!(message(both).contains("found one, two: write a world"), "{}", message(both));
        let world = format!(
            "{both} world w {{ include plugbay:plugin/base-plugin@1.0.0; import one; export two; }}"
        );
        assert_eq!(OwnKind::read(&world, "a.wit").unwrap().name(), "two");
    }

    #[test]
    fn what_outlives_a_call_is_refused() {
        let resource = "package a:b; interface i { resource r; f: func() -> option<r>; }";
        assert!(message(resource).contains("f: expected parameters and results that are values"));
        let stream = "package a:b; interface i { f: func(of: stream<u8>); }";
        assert!(message(stream).contains("found a stream"), "{}", message(stream));
    }

    #[test]
    fn mistakes_name_the_file_and_the_place() {
        assert!(
            message("package a:b; interface i {}").contains("expected an interface with functions")
        );
        let syntax = message("package a:b;\ninterface i { f: fun(); }");
        assert!(syntax.starts_with("a.wit: ") && syntax.contains("line 2:"), "{syntax}");
        let unknown = message("package a:b; interface i { use plugbay:plugin/nothing@1.0.0.{x}; }");
        assert!(unknown.contains("nothing"), "{unknown}");
        assert!(
            message("package a:b; interface codec { f: func(); }").contains("no kind of Plugbay")
        );
    }
}
