//! The tables in Markdown, and the results as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::results::{Row, Spread};
use crate::runtimes;

/// The command that makes the tables.
const COMMAND: &str = "cargo run --release -p nodeloop-peers";

/// The rows of the short table.
const SHORT: &[&str] = &[
    "spawn-ready",
    "wake-self-1k",
    "ping-pong",
    "sleep-drop",
    "sleep-drop-200k",
    "timeout-clear",
    "immediate-chain",
    "yield-1k",
    "jobs-at-once",
    "echo",
];

pub struct Report<'a> {
    pub machine: Machine,
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
        let mut text = format!(
            "{}\n\n{}\n{}",
            self.source(),
            self.comparison(),
            self.medians()
        );
        let missing = self
            .missing
            .iter()
            .map(|(name, reason)| format!("{name}: {reason}"));
        let failures: Vec<String> = missing.chain(self.failures()).collect();
        if !failures.is_empty() {
            text += "\nNot measured:\n\n";
        }
        for failure in failures {
            let _ = writeln!(text, "* {failure}");
        }
        text
    }

    /// The chapter of the guide: ratios only.
    pub fn guide(&self) -> String {
        let mut text = String::from(
            "How fast nodeloop is beside other runtimes, and how to repeat the measurement.\n\n\
             # Ratios\n\n\
             The cost of the best peer divided by that of nodeloop, the median of the rounds: above 1, \
             nodeloop is\nbetter. Each runtime runs in a process of its own, in turn with the others. Each operation \
             is checked. A row\nwhose ratios differ by more than half of the median says nothing.\n\n\
             | row | best peer | ratio | min..max |\n|:--|:--|--:|--:|\n",
        );
        for row in self.rows {
            if let Some(comparison) = row.comparison() {
                let _ = writeln!(
                    text,
                    "| {} | {} | {:.2} | {} |",
                    row.workload.title,
                    comparison.peer,
                    comparison.ratio.median,
                    range(comparison.ratio)
                );
            }
        }
        let _ = write!(
            text,
            "\n# Where and how\n\n{}\n\n```text\n{COMMAND}\n```\n\n\
             `benches/peers/README.md` has all numbers, and states what each row compares.\n",
            self.source()
        );
        text
    }

    /// The short table of the README: ratios only.
    pub fn readme(&self) -> String {
        let mut text =
            String::from("| row of the comparison | best peer | ratio |\n|---|---|---|\n");
        for row in self
            .rows
            .iter()
            .filter(|row| SHORT.contains(&row.workload.name))
        {
            if let Some(comparison) = row.comparison() {
                let _ = writeln!(
                    text,
                    "| {} | {} | {:.2} |",
                    row.workload.title, comparison.peer, comparison.ratio.median
                );
            }
        }
        let _ = write!(text, "\n{}\n\n`{COMMAND}` measures them.\n", self.source());
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
            "machine": self.machine.text(),
            "versions": self.versions.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "not_built": self.missing.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "rounds": self.rounds,
            "rows": rows.collect::<Vec<_>>(),
        })
    }

    fn source(&self) -> String {
        let versions: Vec<String> = self
            .versions
            .iter()
            .filter(|(name, _)| !["nodeloop", "tokio local", runtimes::LIMIT].contains(name))
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        format!(
            "Measured on {}, {} rounds, with {}.",
            self.machine.text(),
            self.rounds,
            versions.join(", ")
        )
    }

    /// The geometric mean in the last row is that of the ratios.
    fn comparison(&self) -> String {
        let mut text = String::from(
            "| row | nodeloop | best peer | ratio | min..max |\n|:--|--:|--:|--:|--:|\n",
        );
        let (mut logarithms, mut count) = (0.0, 0);
        for row in self.rows {
            let Some(comparison) = row.comparison() else {
                continue;
            };
            let _ = writeln!(
                text,
                "| {} | {} {} | {} {} | {:.2} | {} |",
                row.workload.title,
                cost(comparison.ours),
                row.workload.unit(),
                comparison.peer,
                cost(comparison.theirs),
                comparison.ratio.median,
                range(comparison.ratio)
            );
            logarithms += comparison.ratio.median.ln();
            count += 1;
        }
        if count > 1 {
            let mean = (logarithms / f64::from(count)).exp();
            let _ = writeln!(text, "| geometric mean of {count} rows | | | {mean:.2} | |");
        }
        text
    }

    /// All medians. The spread is half the distance of the extremes, in terms of the median.
    fn medians(&self) -> String {
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
