//! Which file imports which.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Files, by their paths in the repository, and what each of them imports.
#[derive(Debug, Default)]
pub struct Graph {
    imports: BTreeMap<String, BTreeSet<String>>,
    /// Whose re-exports the imports of a file pass.
    passages: BTreeSet<(String, String)>,
}

impl Graph {
    pub fn add_file(&mut self, file: &str) {
        self.imports.entry(file.to_owned()).or_default();
    }

    pub fn add_import(&mut self, from: &str, to: &str) {
        self.add_file(to);
        let imports = self.imports.entry(from.to_owned()).or_default();
        imports.insert(to.to_owned());
    }

    pub fn add_passage(&mut self, from: &str, through: &str) {
        self.passages.insert((from.to_owned(), through.to_owned()));
    }

    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.imports.keys().map(String::as_str)
    }

    fn imports(&self) -> impl Iterator<Item = (&str, &str)> {
        self.imports
            .iter()
            .flat_map(|(from, imports)| imports.iter().map(move |to| (&**from, &**to)))
    }

    /// The files that name another: by an import, or on the way to one.
    pub fn arrows(&self) -> BTreeSet<(&str, &str)> {
        let passages = self.passages.iter();
        let passages = passages.map(|(from, through)| (&**from, &**through));
        self.imports().chain(passages).collect()
    }

    /// A shortest circle through each file that is in one, and not in one told already.
    pub fn circles(&self) -> Vec<String> {
        let mut told = BTreeSet::new();
        let mut circles = Vec::new();
        for file in self.files() {
            if told.contains(file) {
                continue;
            }
            if let Some(circle) = self.circle(file) {
                circles.push([&circle[..], &[file]].concat().join(" → "));
                told.extend(circle);
            }
        }
        circles
    }

    /// The files of a shortest circle, from this one on.
    fn circle<'a>(&'a self, start: &'a str) -> Option<Vec<&'a str>> {
        let mut reached_from = BTreeMap::<&str, &str>::new();
        let mut queue = VecDeque::from([start]);
        while let Some(file) = queue.pop_front() {
            for import in &self.imports[file] {
                if import == start {
                    let mut circle = vec![file];
                    while let Some(before) = reached_from.get(circle[circle.len() - 1]) {
                        circle.push(before);
                    }
                    circle.reverse();
                    return Some(circle);
                }
                if !reached_from.contains_key(&**import) {
                    reached_from.insert(&**import, file);
                    queue.push_back(import);
                }
            }
        }
        None
    }
}
