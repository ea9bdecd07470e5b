//! A row of the table, and how it is passed from one process to the other.

use std::fmt::Write;
use std::time::Duration;

/// What one fault has done.
#[derive(Debug, Default)]
pub struct Row {
    /// What was done.
    pub done: String,
    /// What was lost beyond what the fault permits. The row has passed if it is empty.
    pub lost: Vec<String>,
    /// What the fault itself takes, or the documentation permits.
    pub permitted: String,
    /// The latencies of what was healthy, as text.
    pub latency: String,
    /// The panics that were planned meanwhile, all of them reported.
    pub panics: u64,
    /// The kinds of callbacks that panicked.
    pub kinds: usize,
}

impl Row {
    pub const HEADER: &'static str = "| row | what was done | lost | permitted to be lost | latency of the healthy: p50 / p99 / max | verdict |\n|---|---|---|---|---|---|";

    pub fn failed(error: &str) -> Row {
        Row {
            lost: vec![error.to_owned()],
            ..Row::default()
        }
    }

    /// The row about the panics of all rows.
    pub fn of_panics(panics: u64, kinds: usize) -> Row {
        Row {
            done: format!(
                "{panics} panics in {kinds} kinds of callbacks, during all rows above; each is reported once"
            ),
            permitted: "the callback that panics".to_owned(),
            latency: "as above".to_owned(),
            ..Row::default()
        }
    }

    /// Adds `text` to what was lost unless `holds`.
    pub fn expect(&mut self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.lost.push(text());
        }
    }

    /// Returns the row of the Markdown table.
    pub fn line(&self, name: &str) -> String {
        let (lost, verdict) = match self.lost.is_empty() {
            true => ("nothing else".to_owned(), "passed"),
            false => (self.lost.join("; ").replace(['\n', '|'], " "), "FAILED"),
        };
        format!(
            "| {name} | {} | {lost} | {} | {} | {verdict} |",
            self.done, self.permitted, self.latency
        )
    }

    /// Returns the row as lines of a name and a value.
    pub fn print(&self) -> String {
        let mut text = String::new();
        let lines = [
            ("done", &self.done),
            ("permitted", &self.permitted),
            ("latency", &self.latency),
            ("panics", &self.panics.to_string()),
            ("kinds", &self.kinds.to_string()),
        ];
        for (name, value) in lines {
            let _ = writeln!(text, "{name}\t{value}");
        }
        for lost in &self.lost {
            let _ = writeln!(text, "lost\t{}", lost.replace('\n', " "));
        }
        text
    }

    /// Reads what [`print`](Row::print) has written.
    pub fn parse(text: &str) -> Option<Row> {
        let mut row = Row::default();
        for line in text.lines() {
            let (name, value) = line.split_once('\t')?;
            match name {
                "done" => value.clone_into(&mut row.done),
                "permitted" => value.clone_into(&mut row.permitted),
                "latency" => value.clone_into(&mut row.latency),
                "panics" => row.panics = value.parse().ok()?,
                "kinds" => row.kinds = value.parse().ok()?,
                "lost" => row.lost.push(value.to_owned()),
                _ => return None,
            }
        }
        (!row.done.is_empty()).then_some(row)
    }
}

/// Latencies, to be printed.
#[derive(Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    pub fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    /// Returns p50, p99 and the maximum, and how many were measured.
    pub fn text(mut self, of_what: &str) -> String {
        self.0.sort_unstable();
        let Some(last) = self.0.len().checked_sub(1) else {
            return format!("none of {of_what}");
        };
        let at = |percent: usize| self.0[last * percent / 100].as_secs_f64() * 1e3;
        format!(
            "{:.3} / {:.3} / {:.3} ms of {} {of_what}",
            at(50),
            at(99),
            at(100),
            last + 1
        )
    }
}
