//! Columns that line up.

use std::collections::HashMap;
use std::fmt::Write;

/// Rows under a headline, two spaces between columns; columns named in `right` (by index) are numbers.
pub(crate) fn table(headline: &[&str], rows: &[Vec<String>], right: &[usize]) -> String {
    let headline: Vec<String> = headline.iter().map(|cell| (*cell).to_owned()).collect();
    let all = || std::iter::once(&headline).chain(rows);
    let width = |column: usize| all().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..headline.len()).map(|column| width(column).unwrap_or_default()).collect();
    let mut out = String::new();
    for row in all() {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[column] - cell.chars().count());
            let (before, after) = if right.contains(&column) { (pad.as_str(), "") } else { ("", pad.as_str()) };
            let _ = write!(line, "{before}{cell}{after}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Reorders a list of actors, given in start order with parents first, so that each one's children follow it.
pub(crate) fn as_tree<T>(actors: &mut [T], address: impl Fn(&T) -> &str) {
    let started: HashMap<String, usize> =
        actors.iter().enumerate().map(|(n, actor)| (address(actor).to_owned(), n)).collect();
    actors.sort_by_cached_key(|actor| {
        let whole = address(actor);
        let ends = whole.match_indices('/').skip(1).map(|(at, _)| at).chain([whole.len()]);
        ends.map(|end| started.get(&whole[..end]).copied().unwrap_or(usize::MAX)).collect::<Vec<_>>()
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn children_follow_their_parents_in_start_order() {
        let mut actors = ["/b", "/a", "/b/y", "/a/z", "/b/x", "/b/y/c"];
        as_tree(&mut actors, |actor| actor);
        assert_eq!(actors, ["/b", "/b/y", "/b/y/c", "/b/x", "/a", "/a/z"]);
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["/a".into(), "5".into(), "x".into()], vec!["/long".into(), "1234".into(), String::new()]];
        expect![[r"
            NAME      N  LAST
            /a        5  x
            /long  1234
        "]]
        .assert_eq(&table(&["NAME", "N", "LAST"], &rows, &[1]));
    }
}
