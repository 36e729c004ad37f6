//! The modules of a crate, and the file that defines the item of a path.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{File, Path};
use crate::tidy::Source;

/// The most re-exports that are followed for a path.
const MAX_DEPTH: usize = 16;

/// A module's path from the root of its crate.
type Module = Vec<String>;

/// The files of a crate, without those that are compiled for tests only.
pub(super) struct Tree<'a> {
    files: BTreeMap<Module, (&'a str, File)>,
}

/// The item that a path names.
enum Found {
    Module(Module),
    /// An item of this module.
    ItemOf(Module),
}

/// An import of one file from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Import {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) line: usize,
    /// The path as it is written.
    pub(super) path: String,
    /// Whether `to` is a module around `from`.
    pub(super) to_parent: bool,
}

/// All crates among the sources.
pub(super) fn crates(sources: &[Source]) -> Vec<Tree<'_>> {
    let roots = sources.iter().filter_map(|source| {
        let folder =
            source.path.strip_suffix("/lib.rs").or(source.path.strip_suffix("/main.rs"))?;
        (folder == "src" || folder.ends_with("/src")).then_some(folder)
    });
    roots.collect::<BTreeSet<_>>().into_iter().map(|folder| Tree::of(folder, sources)).collect()
}

impl<'a> Tree<'a> {
    fn of(folder: &str, sources: &'a [Source]) -> Self {
        let has_library = sources.iter().any(|source| source.path == format!("{folder}/lib.rs"));
        let mut files = BTreeMap::new();
        for source in sources.iter().filter(|source| source.is_rust()) {
            let Some(path) = source.path.strip_prefix(folder).and_then(|it| it.strip_prefix('/'))
            else {
                continue;
            };
            // A program beside a library is another crate, of one file.
            if path.starts_with("bin/") || (has_library && path == "main.rs") {
                continue;
            }
            files.insert(module_of(path), (source.path.as_str(), File::of(&source.text)));
        }
        let mut tree = Self { files };
        tree.leave_out_tests();
        tree
    }

    fn leave_out_tests(&mut self) {
        let mut tests: Vec<Module> = Vec::new();
        for (module, (_, file)) in &self.files {
            if file.is_test {
                tests.push(module.clone());
            }
            for name in &file.test_modules {
                tests.push([module.as_slice(), std::slice::from_ref(name)].concat());
            }
        }
        self.files.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    }

    /// The imports of the crate. Of several between the same two files it has the first.
    pub(super) fn imports(&self) -> Vec<Import> {
        let mut imports: BTreeMap<(&str, &str), Import> = BTreeMap::new();
        for (module, (from, file)) in &self.files {
            let uses = file.uses.iter().map(|it| &it.path);
            for path in uses.chain(&file.paths) {
                let Some((target, to)) = self.defined_in(module, path) else { continue };
                if to == *from {
                    continue;
                }
                let import = Import {
                    from: (*from).to_owned(),
                    to: to.to_owned(),
                    line: path.line,
                    path: path.segments.join("::"),
                    to_parent: module.starts_with(target),
                };
                let kept = imports.entry((from, to)).or_insert_with(|| import.clone());
                if import.line < kept.line {
                    *kept = import;
                }
            }
        }
        imports.into_values().collect()
    }

    /// The module and the file of this crate that define the item of a path.
    fn defined_in(&self, module: &Module, path: &Path) -> Option<(&Module, &'a str)> {
        let (Found::Module(found) | Found::ItemOf(found)) =
            self.resolve(module, &path.scope, &path.segments, MAX_DEPTH)?;
        self.files.get_key_value(&found).map(|(module, (path, _))| (module, *path))
    }

    /// Resolves a path; `None` if it is of another crate.
    fn resolve(
        &self,
        module: &Module,
        scope: &[String],
        segments: &[String],
        depth: usize,
    ) -> Option<Found> {
        let depth = depth.checked_sub(1)?;
        let (first, rest) = segments.split_first()?;
        match first.as_str() {
            "crate" => self.walk(&Module::new(), rest, depth),
            "self" => self.walk(module, &[scope, rest].concat(), depth),
            "super" => {
                let supers = segments.iter().take_while(|it| *it == "super").count();
                let mut at = [module.as_slice(), scope].concat();
                at.truncate(at.len().saturating_sub(supers));
                self.walk(&Module::new(), &[at.as_slice(), &segments[supers..]].concat(), depth)
            }
            _ => self.resolve_name(module, scope, segments, depth),
        }
    }

    /// Resolves a path that begins with a name in scope: a nested module, an item, or an import.
    fn resolve_name(
        &self,
        module: &Module,
        scope: &[String],
        segments: &[String],
        depth: usize,
    ) -> Option<Found> {
        let (first, rest) = segments.split_first()?;
        let below = [module.as_slice(), scope, std::slice::from_ref(first)].concat();
        if self.files.contains_key(&below) {
            return self.walk(&below, rest, depth);
        }
        let (_, file) = self.files.get(module)?;
        if file.items.contains(first) {
            return Some(Found::ItemOf(module.clone()));
        }
        let import = file.uses.iter().find(|it| {
            it.name.as_ref() == Some(first)
                && it.path.scope == scope
                && it.path.segments != segments
        })?;
        match self.resolve(module, &import.path.scope, &import.path.segments, depth)? {
            Found::Module(found) => self.walk(&found, rest, depth),
            item @ Found::ItemOf(_) => Some(item),
        }
    }

    /// Resolves `segments` in a module, through its re-exports.
    fn walk(&self, module: &Module, segments: &[String], depth: usize) -> Option<Found> {
        let depth = depth.checked_sub(1)?;
        let Some((first, rest)) = segments.split_first() else {
            return Some(Found::Module(module.clone()));
        };
        let below = [module.as_slice(), std::slice::from_ref(first)].concat();
        if self.files.contains_key(&below) {
            return self.walk(&below, rest, depth);
        }
        let (_, file) = self.files.get(module)?;
        if file.items.contains(first) {
            return Some(Found::ItemOf(module.clone()));
        }
        if let Some(import) = file.uses.iter().find(|it| it.name.as_ref() == Some(first)) {
            let path = &import.path;
            return match self.resolve(module, &path.scope, &path.segments, depth)? {
                Found::Module(found) => self.walk(&found, rest, depth),
                item @ Found::ItemOf(_) => Some(item),
            };
        }
        let through_glob = || self.through_globs(module, file, segments, depth);
        let as_macro = || self.macro_at_root(module, first);
        through_glob().or_else(as_macro).or_else(|| Some(Found::ItemOf(module.clone())))
    }

    fn through_globs(
        &self,
        module: &Module,
        file: &File,
        segments: &[String],
        depth: usize,
    ) -> Option<Found> {
        file.uses.iter().filter(|it| it.name.is_none()).find_map(|glob| {
            let path = &glob.path;
            let Found::Module(from) = self.resolve(module, &path.scope, &path.segments, depth)?
            else {
                return None;
            };
            let (_, there) = self.files.get(&from)?;
            let first = segments.first()?;
            let has = there.items.contains(first)
                || there.uses.iter().any(|it| it.name.as_ref() == Some(first))
                || self.files.contains_key(&[from.as_slice(), &segments[..1]].concat());
            if has { self.walk(&from, segments, depth) } else { None }
        })
    }

    /// Resolves the name of an exported `macro_rules!` macro, which is at the root of the crate.
    fn macro_at_root(&self, module: &Module, name: &str) -> Option<Found> {
        let mut files = self.files.iter().filter(|_| module.is_empty());
        let (found, _) = files.find(|(_, (_, file))| file.macros.contains(name))?;
        Some(Found::ItemOf(found.clone()))
    }
}

/// The module of a file, by its path within the crate's folder.
fn module_of(path: &str) -> Module {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let mut module: Module = stem.split('/').map(str::to_owned).collect();
    let is_root = module.len() == 1 && matches!(stem, "lib" | "main");
    if is_root || module.last().is_some_and(|name| name == "mod") {
        module.pop();
    }
    module
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `from → to` of every import in a crate of these files below `a/src/`.
    fn imports(files: &[(&str, &str)]) -> Vec<String> {
        let source = |(path, text): &(&str, &str)| Source::of(&format!("a/src/{path}"), text);
        let sources: Vec<Source> = files.iter().map(source).collect();
        let trees = crates(&sources);
        let short = |path: &str| path.trim_start_matches("a/src/").to_owned();
        let imports = trees.iter().flat_map(Tree::imports);
        imports.map(|it| format!("{} → {}", short(&it.from), short(&it.to))).collect()
    }

    #[test]
    fn an_import_is_from_the_file_that_defines_the_item() {
        let files = [
            ("lib.rs", "mod set; mod call; pub use set::Member;"),
            (
                "set/mod.rs",
                "mod member; mod health; pub(crate) use self::member::*; pub use health::Health as H;",
            ),
            ("set/member.rs", "pub struct Member; pub struct Other;"),
            ("set/health.rs", "pub struct Health;"),
            (
                "call.rs",
                "use crate::set::{Other, H}; fn a(b: crate::Member, c: std::fmt::Error) {}",
            ),
        ];
        assert_eq!(
            imports(&files),
            [
                "call.rs → set/health.rs",
                "call.rs → set/member.rs",
                "lib.rs → set/member.rs",
                "set/mod.rs → set/health.rs",
                "set/mod.rs → set/member.rs"
            ]
        );
    }

    #[test]
    fn paths_without_a_use_are_imports() {
        let files = [
            ("main.rs", "mod a; mod b; fn main() { a::run(); }"),
            ("a.rs", "use super::b; pub fn run() { b::walk() }"),
            ("b.rs", "pub fn walk() { crate::c!() }"),
            ("c.rs", "macro_rules! c { () => {} }"),
        ];
        assert_eq!(imports(&files), ["a.rs → b.rs", "b.rs → c.rs", "main.rs → a.rs"]);
    }

    #[test]
    fn imports_of_tests_do_not_count() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub struct A; #[cfg(test)] mod tests;"),
            ("a/tests.rs", "use crate::b::B; mod more;"),
            ("a/tests/more.rs", "use crate::b::B;"),
            ("b.rs", "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }"),
        ];
        assert_eq!(imports(&files), [""; 0]);
    }

    #[test]
    fn an_inline_module_belongs_to_its_file() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            (
                "a.rs",
                "pub struct A; pub mod inner { pub struct C; fn d(_: super::A, _: super::super::b::B) {} }",
            ),
            ("b.rs", "use crate::a::inner::C; pub struct B;"),
        ];
        assert_eq!(imports(&files), ["a.rs → b.rs", "b.rs → a.rs"]);
    }

    #[test]
    fn a_circle_of_re_exports_ends() {
        let files = [("lib.rs", "mod a; use a::X;"), ("a.rs", "pub use super::X;")];
        assert_eq!(imports(&files), [""; 0]);
    }
}
