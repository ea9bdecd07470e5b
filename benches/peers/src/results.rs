//! What was measured, and its medians and spreads.

use crate::runtimes::is_limit;
use crate::workloads::Workload;

/// The results of one runtime in one workload.
pub struct Cell {
    pub runtime: &'static str,
    /// The cost of an operation in each round, or why there is none.
    pub costs: Result<Vec<f64>, String>,
}

pub struct Row {
    pub workload: &'static Workload,
    /// Of the runtimes that have this workload.
    pub cells: Vec<Cell>,
}

#[derive(Clone, Copy)]
pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

/// nodeloop beside the best peer of a row.
pub struct Comparison {
    pub ours: Spread,
    pub peer: &'static str,
    pub theirs: Spread,
    /// See `Row::ratio_to`.
    pub ratio: Spread,
}

impl Cell {
    pub fn spread(&self) -> Option<Spread> {
        let costs = self.costs.as_ref().ok()?;
        Spread::of(costs.iter().copied())
    }
}

impl Row {
    pub fn cell(&self, runtime: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.runtime == runtime)
    }

    pub fn comparison(&self) -> Option<Comparison> {
        let ours = self.cell("nodeloop")?.spread()?;
        let is_peer = |cell: &&Cell| cell.runtime != "nodeloop" && !is_limit(cell.runtime);
        let (cell, theirs) = self
            .cells
            .iter()
            .filter(is_peer)
            .filter_map(|cell| Some((cell, cell.spread()?)))
            .min_by(|(_, a), (_, b)| a.median.total_cmp(&b.median))?;
        Some(Comparison {
            ours,
            peer: cell.runtime,
            theirs,
            ratio: self.ratio_to(cell.runtime)?,
        })
    }

    /// The cost of a runtime in terms of nodeloop's, by round: above 1, nodeloop is better.
    pub fn ratio_to(&self, runtime: &str) -> Option<Spread> {
        let ours = self.cell("nodeloop")?.costs.as_ref().ok()?;
        let theirs = self.cell(runtime)?.costs.as_ref().ok()?;
        Spread::of(theirs.iter().zip(ours).map(|(peer, ours)| peer / ours))
    }
}

impl Spread {
    /// Whether the values differ by at most half of the median. Otherwise their median means nothing.
    pub fn is_steady(self) -> bool {
        self.max - self.min <= self.median / 2.0
    }

    /// Returns `None` if there are no values.
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() {
            0 => return None,
            length if length % 2 == 1 => values[middle],
            _ => values[middle - 1].midpoint(values[middle]),
        };
        Some(Spread {
            min: values[0],
            median,
            max: values[values.len() - 1],
        })
    }
}
