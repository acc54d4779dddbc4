//! The modules of crates, and what a path in one of them means.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use syn::{Item, ext::IdentExt as _};

use super::{
    graph::Graph,
    mentions::{Mentions, attributes, is_for_tests},
};

/// How many re-exports lead to a name, at most: two that name each other end here.
const FUEL: usize = 32;

/// A crate to read.
#[derive(Debug)]
pub struct Crate {
    /// The name that others import it by, if they can.
    pub library: Option<String>,
    pub root: PathBuf,
}

type Id = usize;

#[derive(Debug)]
struct Module {
    file: String,
    /// Nothing but modules and re-exports is here.
    is_facade: bool,
    parent: Option<Id>,
    children: BTreeMap<String, Id>,
    mentions: Mentions,
}

/// Where a module's text is, where the files of its modules are, and whose module it is.
#[derive(Clone, Copy)]
struct Place<'a> {
    file: &'a Path,
    folder: &'a Path,
    parent: Option<Id>,
}

/// The modules of all crates.
#[derive(Debug, Default)]
pub struct Tree {
    modules: Vec<Module>,
    libraries: BTreeMap<String, Id>,
}

type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

impl Tree {
    /// Reads crates, by a function that reads a file.
    pub fn read(crates: &[Crate], read: Read<'_>) -> Self {
        let mut tree = Self::default();
        for one in crates {
            let root = Place {
                file: &one.root,
                folder: one.root.parent().unwrap(),
                parent: None,
            };
            let root = tree.read_file(root, read);
            if let Some(name) = &one.library {
                tree.libraries.insert(name.clone(), root);
            }
        }
        tree
    }

    fn read_file(&mut self, place: Place<'_>, read: Read<'_>) -> Id {
        let file = place.file.display();
        let text = read(place.file).unwrap_or_else(|| panic!("there is no {file}"));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        self.read_module(&parsed.items, place, read)
    }

    fn read_module(&mut self, items: &[Item], place: Place<'_>, read: Read<'_>) -> Id {
        let id = self.modules.len();
        let kept = || items.iter().filter(|item| !is_for_tests(attributes(item)));
        self.modules.push(Module {
            file: place.file.to_str().unwrap().to_owned(),
            is_facade: kept().all(|item| match item {
                Item::Mod(module) => module.content.is_none(),
                item => matches!(item, Item::Use(_)),
            }),
            parent: place.parent,
            children: BTreeMap::new(),
            mentions: Mentions::of(items),
        });
        for item in kept() {
            let Item::Mod(module) = item else { continue };
            let moved = module.attrs.iter().any(|one| one.path().is_ident("path"));
            assert!(!moved, "{}: a module with #[path]", place.file.display());
            let name = module.ident.unraw().to_string();
            let folder = place.folder.join(&name);
            let inside = Place {
                folder: &folder,
                parent: Some(id),
                ..place
            };
            let child = if let Some((_, items)) = &module.content {
                let child = self.read_module(items, inside, read);
                // Its file has more in it.
                self.modules[child].is_facade = false;
                child
            } else {
                let file = folder.with_extension("rs");
                self.read_file(
                    Place {
                        file: &file,
                        ..inside
                    },
                    read,
                )
            };
            self.modules[id].children.insert(name, child);
        }
        id
    }

    /// The imports among the files that are more than façades.
    pub fn graph(&self) -> Graph {
        let mut graph = Graph::default();
        for (id, module) in self.modules.iter().enumerate() {
            if module.is_facade {
                continue;
            }
            graph.add_file(&module.file);
            for path in &module.mentions.paths {
                let mut passed = Vec::new();
                let Some(target) = self.resolve(id, path, FUEL, &mut passed) else {
                    continue;
                };
                for one in passed {
                    graph.add_passage(&module.file, &self.modules[one].file);
                }
                let target = &self.modules[target];
                if !target.is_facade && target.file != module.file {
                    graph.add_import(&module.file, &target.file);
                }
            }
        }
        graph
    }

    /// The module that a path means, or that defines what it means. Those whose
    /// re-exports it passes are added to `passed`.
    fn resolve(&self, from: Id, path: &[String], fuel: usize, passed: &mut Vec<Id>) -> Option<Id> {
        let (first, rest) = path.split_first()?;
        let module = &self.modules[from];
        let start = match &**first {
            "crate" => self.root(from),
            "self" => from,
            "super" => module.parent?,
            name => {
                if !self.has(from, name, fuel) {
                    let library = *self.libraries.get(name)?;
                    return self.walk(library, rest, fuel, passed);
                }
                return self.walk(from, path, fuel, passed);
            }
        };
        self.walk(start, rest, fuel, passed)
    }

    fn root(&self, mut id: Id) -> Id {
        while let Some(parent) = self.modules[id].parent {
            id = parent;
        }
        id
    }

    /// Whether a name means something in a module, by a definition or by an import.
    fn has(&self, id: Id, name: &str, fuel: usize) -> bool {
        let module = &self.modules[id];
        module.children.contains_key(name)
            || module.mentions.items.contains(name)
            || module.mentions.bindings.contains_key(name)
            || self.glob(id, name, fuel).is_some()
    }

    /// The module that a glob import of this one has a name from.
    fn glob(&self, id: Id, name: &str, fuel: usize) -> Option<Id> {
        let fuel = fuel.checked_sub(1)?;
        let mut globs = self.modules[id].mentions.globs.iter();
        globs.find_map(|glob| {
            let target = self.resolve(id, glob, fuel, &mut Vec::new())?;
            self.has(target, name, fuel).then_some(target)
        })
    }

    fn walk(&self, at: Id, path: &[String], fuel: usize, passed: &mut Vec<Id>) -> Option<Id> {
        let fuel = fuel.checked_sub(1)?;
        let Some((name, rest)) = path.split_first() else {
            return Some(at);
        };
        let module = &self.modules[at];
        if name == "super" {
            return self.walk(module.parent?, rest, fuel, passed);
        }
        if let Some(child) = module.children.get(name) {
            return self.walk(*child, rest, fuel, passed);
        }
        if module.mentions.items.contains(name) {
            return Some(at);
        }
        if let Some(binding) = module.mentions.bindings.get(name) {
            passed.push(at);
            // `use name::…;` binds a name that begins with a crate's.
            return if binding[0] == *name {
                let library = *self.libraries.get(name)?;
                self.walk(library, &[&binding[1..], rest].concat(), fuel, passed)
            } else {
                self.resolve(at, &[binding, rest].concat(), fuel, passed)
            };
        }
        match self.glob(at, name, fuel) {
            Some(target) => {
                passed.push(at);
                self.walk(target, path, fuel, passed)
            }
            None => Some(at),
        }
    }
}
