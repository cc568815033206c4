//! Columns that line up.

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

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

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
