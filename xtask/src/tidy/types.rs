//! Tests of the size of types, and of the places of their methods.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use syn::{Attribute, Fields, ImplItem, Item, Type, Visibility};

use super::{files, sources};
use crate::process::root;

/// From this number of fields on, the doc of a type gives the reason.
const MANY_FIELDS: usize = 13;
/// From this number of methods that other files may call on, the doc of a type gives the reason.
const MANY_METHODS: usize = 25;

/// A type of a crate, with its inherent methods.
struct Sized {
    name: String,
    file: PathBuf,
    doc: String,
    fields: usize,
    methods: usize,
    /// The files of its `impl` blocks without a trait.
    impls: Vec<PathBuf>,
}

/// The folders of all crates, those of examples and of test guests included.
fn crates() -> Vec<PathBuf> {
    let roots = sources().filter(|path| path.ends_with("src/lib.rs") || path.ends_with("src/main.rs"));
    let mut folders: Vec<_> = roots.filter_map(|path| path.parent().map(Path::to_owned)).collect();
    folders.dedup();
    folders
}

fn types_of(folder: &Path) -> Vec<Sized> {
    let mut types = Vec::new();
    let mut methods: BTreeMap<(String, PathBuf), usize> = BTreeMap::new();
    for file in files(folder, ".rs") {
        let text = std::fs::read_to_string(&file).expect("readable");
        let parsed = syn::parse_file(&text).expect("Rust");
        read(&parsed.items, &file, &mut types, &mut methods);
    }
    for ((name, file), count) in methods {
        let mut named: Vec<_> = types.iter_mut().filter(|known| known.name == name).collect();
        let at = match named.as_slice() {
            [] => continue,
            [_] => 0,
            // Of several types with one name, that of the same file, or the one whose file is nearest.
            several => {
                let shared =
                    |known: &Sized| known.file.components().zip(file.components()).filter(|(a, b)| a == b).count();
                let best = several.iter().enumerate().max_by_key(|(_, known)| (known.file == file, shared(known)));
                best.map_or(0, |(at, _)| at)
            }
        };
        named[at].methods += count;
        named[at].impls.push(file);
    }
    types
}

fn read(items: &[Item], file: &Path, types: &mut Vec<Sized>, methods: &mut BTreeMap<(String, PathBuf), usize>) {
    for item in items {
        let (name, attributes, fields) = match item {
            Item::Struct(item) => {
                let fields = match &item.fields {
                    // A type that is read from a file has a field for each key.
                    Fields::Named(_) if is_read(&item.attrs) => 0,
                    Fields::Named(fields) => fields.named.len(),
                    Fields::Unnamed(_) | Fields::Unit => 0,
                };
                (&item.ident, &item.attrs, fields)
            }
            Item::Enum(item) => (&item.ident, &item.attrs, 0),
            Item::Impl(item) => {
                if let (None, Type::Path(path)) = (&item.trait_, &*item.self_ty)
                    && let Some(last) = path.path.segments.last()
                {
                    let count = item.items.iter().filter(|item| is_visible(item)).count();
                    *methods.entry((last.ident.to_string(), file.to_owned())).or_default() += count;
                }
                continue;
            }
            Item::Mod(module) => {
                if let Some((_, items)) = &module.content
                    && module.ident != "tests"
                {
                    read(items, file, types, methods);
                }
                continue;
            }
            _ => continue,
        };
        types.push(Sized {
            name: name.to_string(),
            file: file.to_owned(),
            doc: doc_of(attributes),
            fields,
            methods: 0,
            impls: Vec::new(),
        });
    }
}

/// Whether other files may call a method.
fn is_visible(item: &ImplItem) -> bool {
    matches!(item, ImplItem::Fn(method) if !matches!(method.vis, Visibility::Inherited))
}

fn is_read(attributes: &[Attribute]) -> bool {
    let derives = attributes.iter().filter(|attribute| attribute.path().is_ident("derive"));
    derives
        .filter_map(|derive| derive.meta.require_list().ok())
        .any(|list| list.tokens.to_string().contains("Deserialize"))
}

fn doc_of(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
    lines.filter_map(|line| Some(quote_free(&line.meta.require_name_value().ok()?.value))).collect::<Vec<_>>().join(" ")
}

fn quote_free(value: &syn::Expr) -> String {
    match value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => text.value(),
        _ => String::new(),
    }
}

/// `MessageLog` as the name of a file or a folder: `message_log`.
fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}

fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn doc_of_a_large_type_says_why_it_is_large() {
    let mut large = Vec::new();
    for known in crates().iter().flat_map(|folder| types_of(folder)) {
        for (count, most, word) in [(known.fields, MANY_FIELDS, "fields"), (known.methods, MANY_METHODS, "methods")] {
            if count >= most && !known.doc.contains(word) {
                large.push(format!("  {}: {} has {count} {word}", short(&known.file), known.name));
            }
        }
    }
    assert!(
        large.is_empty(),
        "split these types by what they know, or let their docs say why not:\n{}",
        large.join("\n")
    );
}

#[test]
fn methods_of_a_type_stand_in_its_file_or_folder() {
    let mut scattered = Vec::new();
    for known in crates().iter().flat_map(|folder| types_of(folder)) {
        let name = snake_case(&known.name);
        let is_own_folder = |file: &Path| file.ancestors().skip(1).any(|folder| folder.ends_with(&name));
        for file in known.impls.iter().filter(|file| **file != known.file && !is_own_folder(file)) {
            scattered.push(format!("  {} of {} has methods in {}", known.name, short(&known.file), short(file)));
        }
    }
    assert!(
        scattered.is_empty(),
        "methods belong into the file of their type, or into its folder:\n{}",
        scattered.join("\n")
    );
}

#[test]
fn names_of_folders_follow_those_of_types() {
    assert_eq!(["MessageLog", "Turn"].map(snake_case), ["message_log", "turn"]);
}
