//! The parts of the workspace, in the order of the table in `ARCHITECTURE.md`.

use super::graph::Graph;

/// The paths of each part, the lowest part first.
#[derive(Debug)]
pub struct Rooms(Vec<Vec<String>>);

impl Rooms {
    /// Reads the table whose first column is called `part`.
    pub fn of_table(text: &str) -> Self {
        let rows = text
            .lines()
            .skip_while(|line| !line.starts_with("| component |"))
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        let paths = |row: &str| {
            let cell = row.split('|').nth(1).unwrap_or_default();
            // Every second piece stands between backquotes.
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        Self(rows.map(paths).collect())
    }

    /// The number of the part that a file belongs to.
    pub fn of(&self, file: &str) -> Option<usize> {
        self.0.iter().position(|paths| {
            paths.iter().any(|path| {
                // `foo.rs` stands beside `foo/`.
                let stem = path.trim_end_matches('/').trim_end_matches(".rs");
                file.strip_prefix(stem)
                    .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            })
        })
    }

    /// The imports that go from a part to one below it in the table, or past its
    /// re-exports. What belongs to no part may use all of them, and none may use it;
    /// a crate's root only passes on what its parts have.
    pub fn upward(&self, graph: &Graph) -> Vec<String> {
        let height = |file| self.of(file).unwrap_or(self.0.len());
        let arrows = graph.arrows().into_iter();
        arrows
            .filter(|(_, to)| !to.ends_with("/lib.rs") || self.of(to).is_some())
            .filter(|(from, to)| height(from) < height(to))
            .map(|(from, to)| format!("{from} → {to}"))
            .collect()
    }
}
