//! The figures, with their goals.

use std::fmt::Display;

/// Rows of the table, in the order of the workloads.
#[derive(Default)]
pub struct Report {
    rows: Vec<[String; 4]>,
}

impl Report {
    /// Adds a figure. `reached`: whether its goal is reached; none for a figure without one.
    pub fn add(&mut self, what: &str, figure: impl Display, goal: &str, reached: Option<bool>) {
        let verdict = reached.map_or("", |reached| if reached { "reached" } else { "not reached" });
        let row = [what.to_owned(), figure.to_string(), goal.to_owned(), verdict.to_owned()];
        eprintln!("{}", row.join(" | "));
        self.rows.push(row);
    }

    pub fn print(&self) {
        println!("| what | measured | goal | |\n|---|---|---|---|");
        for row in &self.rows {
            println!("| {} |", row.join(" | "));
        }
    }
}

/// The median of some figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
