//! Imports between the files of a crate: paths of the sources, re-exports resolved, and the circles that they make.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// The modules of one crate; the root is the first.
pub(super) struct Crate {
    modules: Vec<Module>,
}

/// A module, whether it has a file of its own or stands in that of its parent.
struct Module {
    file: PathBuf,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    /// The names that `use` brings in, by the name under which they are known here.
    uses: BTreeMap<String, Vec<String>>,
    /// Modules all of whose names a `use` brings in.
    globs: Vec<Vec<String>>,
    /// Names that are defined here.
    items: BTreeSet<String>,
    /// All paths that stand in the module, `use` included.
    paths: Vec<Vec<String>>,
}

/// An import: the file that has it, and the file that it names something of.
pub(super) type Arrow = (PathBuf, PathBuf);

impl Crate {
    /// Reads a crate from its root file.
    pub(super) fn read(root: &Path) -> Self {
        let mut this = Self { modules: Vec::new() };
        let file = parse(root);
        this.add(root, root.parent().expect("a file in a folder"), None, &file.items);
        this
    }

    /// Adds a module and those below it; `folder` is where files of its children stand.
    fn add(&mut self, file: &Path, folder: &Path, parent: Option<usize>, items: &[Item]) -> usize {
        let id = self.modules.len();
        self.modules.push(Module {
            file: file.to_owned(),
            parent,
            children: BTreeMap::new(),
            uses: BTreeMap::new(),
            globs: Vec::new(),
            items: BTreeSet::new(),
            paths: Vec::new(),
        });
        for item in items {
            match item {
                Item::Mod(module) if is_test(&module.attrs) => {}
                Item::Mod(module) => {
                    let name = module.ident.to_string();
                    let below = folder.join(&name);
                    let child = if let Some((_, items)) = &module.content {
                        self.add(file, &below, Some(id), items)
                    } else {
                        let flat = folder.join(format!("{name}.rs"));
                        let path = match path_of(&module.attrs) {
                            Some(path) => file.parent().expect("a file in a folder").join(path),
                            None if flat.exists() => flat,
                            None => below.join("mod.rs"),
                        };
                        let parsed = parse(&path);
                        self.add(&path, &below, Some(id), &parsed.items)
                    };
                    self.modules[id].children.insert(name, child);
                }
                Item::Use(item) => self.modules[id].bring_in(&mut Vec::new(), &item.tree),
                item => {
                    self.modules[id].items.extend(name_of(item));
                    let mut paths = Paths(Vec::new());
                    paths.visit_item(item);
                    self.modules[id].paths.extend(paths.0);
                }
            }
        }
        id
    }

    /// The imports between different files.
    pub(super) fn arrows(&self) -> BTreeSet<Arrow> {
        let mut arrows = BTreeSet::new();
        for (id, module) in self.modules.iter().enumerate() {
            let globs = module.globs.iter().filter_map(|glob| self.module(id, glob));
            let named = module.paths.iter().filter_map(|path| self.definer(id, path, 0));
            for target in named.chain(globs) {
                let target = &self.modules[target].file;
                if *target != module.file {
                    arrows.insert((module.file.clone(), target.clone()));
                }
            }
        }
        arrows
    }

    /// The module that a path names, if it names one.
    fn module(&self, at: usize, path: &[String]) -> Option<usize> {
        let mut at = at;
        for (place, name) in path.iter().enumerate() {
            at = match name.as_str() {
                "crate" => 0,
                "self" => at,
                "super" => self.modules[at].parent?,
                name => {
                    if let Some(&child) = self.modules[at].children.get(name) {
                        child
                    } else {
                        let used = self.modules[at].uses.get(name)?;
                        (used.first() != Some(&path[place]) || used.len() > 1).then_some(())?;
                        self.module(at, used)?
                    }
                }
            };
        }
        Some(at)
    }

    /// The module that defines what a path names; none for what other crates define.
    fn definer(&self, from: usize, path: &[String], depth: usize) -> Option<usize> {
        if depth > 16 {
            return None;
        }
        let mut at = from;
        for (place, name) in path.iter().enumerate() {
            let here = &self.modules[at];
            match name.as_str() {
                "crate" => at = 0,
                "self" => {}
                "super" => at = here.parent?,
                name => {
                    if let Some(&child) = here.children.get(name) {
                        at = child;
                    } else if here.items.contains(name) {
                        return Some(at);
                    } else if let Some(used) = here.uses.get(name) {
                        if used.len() == 1 && used[0] == name {
                            return None;
                        }
                        let whole: Vec<_> = used.iter().chain(&path[place + 1..]).cloned().collect();
                        return self.definer(at, &whole, depth + 1);
                    } else {
                        let rest = &path[place..];
                        let through = here.globs.iter().filter_map(|glob| self.module(at, glob));
                        return through.filter(|&to| to != at).find_map(|to| {
                            let known = &self.modules[to];
                            let knows = known.items.contains(name)
                                || known.children.contains_key(name)
                                || known.uses.contains_key(name);
                            knows.then(|| self.definer(to, rest, depth + 1))?
                        });
                    }
                }
            }
        }
        Some(at)
    }
}

impl Module {
    fn bring_in(&mut self, before: &mut Vec<String>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.bring_in(before, &path.tree);
                before.pop();
            }
            UseTree::Name(name) => self.name(before, name.ident.to_string(), None),
            UseTree::Rename(rename) => {
                self.name(before, rename.ident.to_string(), Some(rename.rename.to_string()));
            }
            UseTree::Glob(_) => self.globs.push(before.clone()),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.bring_in(before, tree)),
        }
    }

    fn name(&mut self, before: &[String], name: String, known_as: Option<String>) {
        let mut path = before.to_vec();
        let known_as = known_as.unwrap_or_else(|| match name.as_str() {
            "self" => before.last().cloned().unwrap_or_default(),
            name => name.to_owned(),
        });
        if name != "self" {
            path.push(name);
        }
        self.uses.insert(known_as, path.clone());
        self.paths.push(path);
    }
}

/// Collects the paths of an item, those in the tokens of macros included.
struct Paths(Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        if !matches!(item, Item::Fn(function) if is_test(&function.attrs)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    /// The path in `pub(super)` or `pub(in ...)` names no item.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        visit::visit_macro(self, call);
        self.tokens(call.tokens.clone());
    }
}

impl Paths {
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                // As in items, the path in `pub(super)` names no item.
                TokenTree::Ident(ident) if ident == "pub" => {
                    tokens.next_if(
                        |token| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis),
                    );
                }
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.0.extend((!path.is_empty()).then(|| std::mem::take(&mut path)));
                        path.clear();
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.0.extend((!path.is_empty()).then(|| std::mem::take(&mut path)));
                    path.clear();
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.0.extend((!path.is_empty()).then_some(path));
    }
}

fn parse(file: &Path) -> syn::File {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The path in `#[path = "..."]`.
fn path_of(attributes: &[Attribute]) -> Option<PathBuf> {
    attributes.iter().find(|attribute| attribute.path().is_ident("path")).map(|attribute| {
        let value = &attribute.meta.require_name_value().expect("`path` has a value").value;
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = value else { panic!("a path is a text") };
        PathBuf::from(text.value())
    })
}

/// Whether tests alone have it.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string().split(' ').next() == Some("test"))
    })
}

fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// The groups of files that import each other, directly or through others.
pub(super) fn circles(arrows: &BTreeSet<Arrow>) -> Vec<BTreeSet<PathBuf>> {
    let mut reach: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> = BTreeMap::new();
    for (from, _) in arrows {
        let mut found = BTreeSet::new();
        let mut next = vec![from];
        while let Some(at) = next.pop() {
            let to = arrows.iter().filter(|(source, _)| source == at).map(|(_, target)| target);
            next.extend(to.filter(|target| found.insert(*target)));
        }
        reach.insert(from, found);
    }
    let mut circles = BTreeSet::new();
    for (file, found) in &reach {
        if found.contains(*file) {
            let circle = found.iter().filter(|other| reach.get(*other).is_some_and(|back| back.contains(*file)));
            circles.insert(circle.map(|file| (*file).clone()).collect::<BTreeSet<_>>());
        }
    }
    circles.into_iter().collect()
}

/// Arrows between the files of a small crate, by their names.
#[cfg(test)]
fn arrows_of(sources: &[(&str, &str)]) -> Vec<String> {
    let folder = std::env::temp_dir().join(format!("playhouse-imports-{}-{:p}", std::process::id(), sources));
    for (name, text) in sources {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder for temporary files");
        std::fs::write(path, text).expect("a file in it");
    }
    let arrows = Crate::read(&folder.join("lib.rs")).arrows();
    std::fs::remove_dir_all(&folder).expect("the folder is there");
    let name = |path: &Path| path.strip_prefix(&folder).expect("a file of the crate").display().to_string();
    arrows.iter().map(|(from, to)| format!("{} -> {}", name(from), name(to))).collect()
}

#[test]
fn imports_are_resolved_through_reexports() {
    let arrows = arrows_of(&[
        ("lib.rs", "mod a; mod b; pub use a::inner::Deep;"),
        ("a.rs", "pub mod inner;"),
        ("a/inner.rs", "pub struct Deep;"),
        ("b.rs", "use crate::Deep; fn f(_: Deep) {}"),
    ]);
    assert_eq!(arrows, ["b.rs -> a/inner.rs", "lib.rs -> a/inner.rs"]);
}

#[test]
fn paths_in_code_and_macros_are_imports() {
    let arrows = arrows_of(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "pub fn f() {}"),
        ("b.rs", "fn g() { super::a::f() }"),
        ("c.rs", "fn g() { assert!({ crate::a::f(); true }) }"),
    ]);
    assert_eq!(arrows, ["b.rs -> a.rs", "c.rs -> a.rs"]);
}

#[test]
fn visibility_is_no_import() {
    let arrows = arrows_of(&[
        ("lib.rs", "mod a;"),
        ("a.rs", "pub(crate) struct A { pub(super) b: u8 } m! { pub(crate) struct B; }"),
    ]);
    assert_eq!(arrows, [""; 0]);
}

#[test]
fn circle_of_parent_and_child_is_found() {
    let sources = [("lib.rs", "mod a;"), ("a.rs", "mod b; pub struct A(b::B);"), ("a/b.rs", "pub struct B(super::A);")];
    assert_eq!(arrows_of(&sources), ["a/b.rs -> a.rs", "a.rs -> a/b.rs"]);
    let arrow = |from: &str, to: &str| (PathBuf::from(from), PathBuf::from(to));
    let arrows = BTreeSet::from([arrow("a", "b"), arrow("b", "c"), arrow("c", "a"), arrow("d", "a")]);
    assert_eq!(circles(&arrows), [BTreeSet::from(["a", "b", "c"].map(PathBuf::from))]);
}
