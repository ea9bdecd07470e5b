//! The tables in Markdown, and the results as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::results::{Row, Spread};
use crate::runtimes;

/// The rows of the table in the main README. It leaves out those that are unsteady.
const SHORT: &[&str] = &[
    "spawn-ready",
    "spawn-waits",
    "join-10k",
    "wake-self-1k",
    "ping-pong",
    "resolver",
    "sleep-drop",
    "sleep-drop-200k",
    "timeout-clear",
    "sleeps-fire",
    "immediate-chain",
    "yield",
    "yield-1k",
    "then-chain",
    "jobs-at-once",
    "wake-flood",
    "echo",
    "memory-task",
];

pub struct Report<'a> {
    /// Where it was measured, and when.
    pub machine: String,
    pub rounds: usize,
    pub versions: &'a [(&'static str, String)],
    /// The runtimes that could not be built, with the reason.
    pub missing: &'a [(&'static str, String)],
    pub rows: &'a [Row],
}

impl Report<'_> {
    /// What has gone wrong in a workload.
    pub fn failures(&self) -> impl Iterator<Item = String> {
        self.rows.iter().flat_map(|row| {
            row.cells.iter().filter_map(|cell| {
                let reason = cell.costs.as_ref().err()?;
                Some(format!(
                    "{}, {}: {reason}",
                    row.workload.title, cell.runtime
                ))
            })
        })
    }

    /// nodeloop beside the best peer, all medians, what was not measured.
    pub fn tables(&self) -> String {
        let parts = [
            self.source(),
            self.comparison(),
            self.medians(),
            self.not_measured(),
        ];
        let parts = parts.iter().map(|part| part.trim_end());
        let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        parts.join("\n\n") + "\n"
    }

    fn not_measured(&self) -> String {
        let missing = self
            .missing
            .iter()
            .map(|(name, reason)| format!("{name}: {reason}"));
        let failures: Vec<String> = missing.chain(self.failures()).collect();
        if failures.is_empty() {
            return String::new();
        }
        format!("Not measured:\n\n* {}\n", failures.join("\n* "))
    }

    /// The table of the guide: ratios only.
    pub fn guide(&self) -> String {
        let mut text = String::from(
            "| row | best peer | ratio | min..max | ratio to tokio |\n|:--|:--|--:|--:|--:|\n",
        );
        for row in self.rows {
            if let Some(comparison) = row.comparison() {
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {} | {} |",
                    row.workload.title,
                    comparison.peer,
                    median(comparison.ratio),
                    range(comparison.ratio),
                    row.ratio_to("tokio").map_or("–".to_owned(), median),
                );
            }
        }
        text
    }

    /// The short table of the main README: ratios of steady rows.
    pub fn readme(&self) -> String {
        let mut text = String::from(
            "| row of the comparison | best peer | ratio | ratio to tokio |\n|---|---|---|---|\n",
        );
        for row in self
            .rows
            .iter()
            .filter(|row| SHORT.contains(&row.workload.name))
        {
            if let Some(comparison) = row.comparison().filter(|each| each.ratio.is_steady()) {
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {} |",
                    row.workload.title,
                    comparison.peer,
                    median(comparison.ratio),
                    row.ratio_to("tokio").map_or("–".to_owned(), median),
                );
            }
        }
        text
    }

    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let costs = row.cells.iter().map(|cell| match &cell.costs {
                Ok(costs) => (cell.runtime.to_owned(), json!(costs)),
                Err(reason) => (cell.runtime.to_owned(), json!({ "failed": reason })),
            });
            json!({
                "workload": row.workload.name,
                "title": row.workload.title,
                "unit": row.workload.unit(),
                "size": row.workload.size,
                "costs": costs.collect::<serde_json::Map<_, _>>(),
                "best_peer": row.comparison().map(|comparison| comparison.peer),
                "ratio": row.comparison().map(|comparison| comparison.ratio.median),
            })
        });
        json!({
            "machine": self.machine,
            "versions": self.versions.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "not_built": self.missing.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "rounds": self.rounds,
            "rows": rows.collect::<Vec<_>>(),
        })
    }

    /// Where and with what it was measured, in one line.
    pub fn source(&self) -> String {
        let versions: Vec<String> = self
            .versions
            .iter()
            .filter(|(name, _)| {
                !["nodeloop", "tokio local"].contains(name) && !runtimes::is_limit(name)
            })
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        let rounds = match self.rounds {
            1 => "1 round".to_owned(),
            rounds => format!("{rounds} rounds"),
        };
        let with = match versions.is_empty() {
            true => String::new(), // only a limit, which is no runtime
            false => format!(", with {}", versions.join(", ")),
        };
        format!("Measured on {}, {rounds}{with}.", self.machine)
    }

    /// nodeloop beside the best peer of each row. The geometric mean in the last row is that of the steady
    /// ratios. Returns nothing if nothing can be compared.
    pub fn comparison(&self) -> String {
        let mut text = String::from(
            "| row | workload | nodeloop | best peer | ratio | min..max |\n|:--|:--|--:|--:|--:|--:|\n",
        );
        let mut steady = Vec::new();
        let compared: Vec<_> = self
            .rows
            .iter()
            .filter_map(|row| Some((row.workload, row.comparison()?)))
            .collect();
        if compared.is_empty() {
            return String::new();
        }
        for (workload, comparison) in compared {
            let _ = writeln!(
                text,
                "| {} | `{}` | {} {} | {} {} | {} | {} |",
                workload.title,
                workload.name,
                cost(comparison.ours),
                workload.unit(),
                comparison.peer,
                cost(comparison.theirs),
                median(comparison.ratio),
                range(comparison.ratio)
            );
            if comparison.ratio.is_steady() {
                steady.push(comparison.ratio.median.ln());
            }
        }
        if steady.len() > 1 {
            let mean = (steady.iter().sum::<f64>() / steady.len() as f64).exp();
            let count = steady.len();
            let _ = writeln!(
                text,
                "| geometric mean of the {count} steady rows | | | | {mean:.2} | |"
            );
        }
        text
    }

    /// All medians. The spread is half the distance of the extremes, in terms of the median.
    pub fn medians(&self) -> String {
        let names: Vec<&str> = self.versions.iter().map(|(name, _)| *name).collect();
        let mut text = format!("| row | {} |\n|:--|", names.join(" | "));
        text += &"--:|".repeat(names.len());
        text.push('\n');
        for row in self.rows {
            let _ = write!(text, "| {} |", row.workload.title);
            for name in &names {
                let text_of_cell = match row.cell(name) {
                    None => "–".to_owned(),
                    Some(cell) => match cell.spread() {
                        None => "failed".to_owned(),
                        Some(spread) if self.rounds == 1 => cost(spread),
                        Some(spread) => {
                            let half = (spread.max - spread.min) / 2.0 / spread.median * 100.0;
                            format!("{} ±{half:.0} %", cost(spread))
                        }
                    },
                };
                let _ = write!(text, " {text_of_cell} |");
            }
            text.push('\n');
        }
        text
    }
}

/// The median, unless it means nothing.
fn median(ratio: Spread) -> String {
    match ratio.is_steady() {
        true => format!("{:.2}", ratio.median),
        false => "unsteady".to_owned(),
    }
}

fn range(spread: Spread) -> String {
    format!("{:.2}..{:.2}", spread.min, spread.max)
}

/// With three significant digits below 100.
fn cost(spread: Spread) -> String {
    match spread.median {
        small if small < 10.0 => format!("{small:.2}"),
        middle if middle < 100.0 => format!("{middle:.1}"),
        great => format!("{great:.0}"),
    }
}
