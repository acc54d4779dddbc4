//! What the text of one module mentions.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, ImplItem, Item, ItemUse, Macro, UseTree, Visibility,
    ext::IdentExt as _,
    visit::{self, Visit},
};

/// A path's segments.
pub type Path = Vec<String>;

/// The names and paths of a module, without its modules and tests.
#[derive(Debug, Default)]
pub struct Mentions {
    /// What `use` brings into scope, by the name that it has there.
    pub bindings: BTreeMap<String, Path>,
    /// What `use PATH::*` brings.
    pub globs: Vec<Path>,
    /// What is defined here.
    pub items: BTreeSet<String>,
    /// All paths, those of `use` among them.
    pub paths: Vec<Path>,
}

impl Mentions {
    pub fn of(items: &[Item]) -> Self {
        let mut mentions = Self::default();
        for item in items {
            if let Some(name) = name(item) {
                mentions.items.insert(name);
            }
            mentions.visit_item(item);
        }
        mentions
    }

    fn read_use(&mut self, tree: &UseTree, path: &mut Path) {
        match tree {
            UseTree::Path(part) => {
                path.push(part.ident.unraw().to_string());
                self.read_use(&part.tree, path);
                path.pop();
            }
            UseTree::Name(part) => {
                let name = part.ident.unraw().to_string();
                self.bind(path, &name, &name);
            }
            UseTree::Rename(part) => {
                let (name, local) = (&part.ident, &part.rename);
                self.bind(path, &name.unraw().to_string(), &local.unraw().to_string());
            }
            UseTree::Glob(_) => {
                self.paths.push(path.clone());
                self.globs.push(path.clone());
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.read_use(tree, path);
                }
            }
        }
    }

    fn bind(&mut self, path: &Path, name: &str, local: &str) {
        let mut path = path.clone();
        let mut local = local.to_owned();
        if name != "self" {
            path.push(name.to_owned());
        } else if local == "self" {
            local = path.last().cloned().unwrap_or_default();
        }
        self.paths.push(path.clone());
        self.bindings.insert(local, path);
    }

    /// What stands in a macro's parentheses may be of any form; paths look alike everywhere.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path = Path::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.take(&mut path);
                    }
                    path.push(name.unraw().to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.take(&mut path);
                    self.scan(group.stream());
                    colons = 0;
                }
                _ => {
                    self.take(&mut path);
                    colons = 0;
                }
            }
        }
        self.take(&mut path);
    }

    fn take(&mut self, path: &mut Path) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.paths.push(path);
        }
    }
}

impl<'ast> Visit<'ast> for Mentions {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) && !matches!(item, Item::Mod(_)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let is_test = matches!(item, ImplItem::Fn(function) if is_for_tests(&function.attrs));
        if !is_test {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.read_use(&item.tree, &mut Path::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter();
        let mut names: Path = segments
            .map(|part| part.ident.unraw().to_string())
            .collect();
        self.take(&mut names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        self.scan(call.tokens.clone());
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

/// Whether an attribute says `cfg(test)`.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list();
        attribute.path().is_ident("cfg") && list.is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        _ => return None,
    };
    Some(name.unraw().to_string())
}
