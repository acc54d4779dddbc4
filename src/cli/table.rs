//! Text tables for the terminal.

use crate::text::printable;

/// The longest cell, in characters.
const CELL: usize = 512;

/// Formats rows under their headings; each column is as wide as its widest cell. Cells may come
/// from a pod: they are cut, and a terminal sees no commands in them.
pub(super) fn format(headings: &[&str], rows: &[Vec<String>]) -> String {
    let clean = |row: &Vec<String>| row.iter().map(|cell| clean(cell)).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(clean).collect();
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.len()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let text: String = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}   "))
            .collect();
        format!("{}\n", text.trim_end())
    };
    let mut text = line(&mut headings.iter().copied());
    for row in &rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

fn clean(cell: &str) -> String {
    let clean = printable(cell);
    match clean.char_indices().nth(CELL) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_cell_is_cut_and_has_no_commands() {
        let rows = [vec!["é\u{1b}[2J".repeat(50_000), "x".to_owned()]];
        let text = super::format(&["ONE", "TWO"], &rows);
        assert!(!text.contains('\u{1b}'));
        assert!(text.lines().all(|line| line.chars().count() < 600));
        assert!(text.ends_with("…   x\n"), "{text}");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".to_owned(), "long cell".to_owned(), "x".to_owned()]];
        assert_eq!(
            super::format(&["ONE", "TWO", "THREE"], &rows),
            "ONE   TWO         THREE\na     long cell   x\n"
        );
    }
}
