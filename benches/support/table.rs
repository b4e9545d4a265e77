//! Tables in Markdown.
#![allow(dead_code, reason = "each bench uses its part")]

use std::fmt;

pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(head: &[&str]) -> Table {
        Table { head: head.iter().map(|cell| (*cell).to_owned()).collect(), rows: Vec::new() }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<_> = cells.into_iter().collect();
        assert_eq!(cells.len(), self.head.len(), "{cells:?}");
        self.rows.push(cells);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The first column is words, the others are figures.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.head.iter().enumerate().map(|(column, _)| if column == 0 { "---" } else { "---:" }.to_owned());
        let lines = [self.head.clone(), rule.collect()];
        for line in lines.iter().chain(&self.rows) {
            writeln!(f, "| {} |", line.join(" | "))?;
        }
        Ok(())
    }
}
