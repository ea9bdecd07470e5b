//! The table of results: for each server the median and the spread of its rounds.

use crate::Sample;

pub struct Table {
    rows: Vec<Row>,
}

struct Row {
    name: String,
    cpu_us: Vec<f64>,
    per_second: Vec<f64>,
}

impl Table {
    pub fn new(names: &[&str]) -> Table {
        let row = |name: &&str| Row {
            name: (*name).to_owned(),
            cpu_us: Vec::new(),
            per_second: Vec::new(),
        };
        Table {
            rows: names.iter().map(row).collect(),
        }
    }

    pub fn add(&mut self, index: usize, sample: &Sample) {
        let operations = sample.operations as f64;
        let row = &mut self.rows[index];
        row.cpu_us
            .push(sample.cpu.as_secs_f64() * 1_000_000.0 / operations);
        row.per_second.push(operations / sample.wall.as_secs_f64());
    }

    pub fn print(&self, kind: &str, operation: &str, rounds: usize) {
        println!("{kind}: {rounds} rounds; processor time of the server per {operation}, in µs");
        println!(
            "| {:<10} | {:>8} | {:>13} | {:>21} | {:>13} |",
            "server", "median", "min..max", "ratio to the first", "per second"
        );
        println!("|:{:-<10}-|-{0:->8}:|-{0:->13}:|-{0:->22}:|-{0:->13}:|", "");
        for row in &self.rows {
            // By round, because other work of the machine in a round affects both.
            let first = self.rows[0].cpu_us.iter();
            let ratios: Vec<f64> = row.cpu_us.iter().zip(first).map(|(a, b)| a / b).collect();
            let (low, high) = extremes(&row.cpu_us);
            let (low_ratio, high_ratio) = extremes(&ratios);
            println!(
                "| {:<10} | {:>8.2} | {:>13} | {:>22} | {:>13.0} |",
                row.name,
                median(&row.cpu_us),
                format!("{low:.2}..{high:.2}"),
                format!("{:.2} ({low_ratio:.2}..{high_ratio:.2})", median(&ratios)),
                median(&row.per_second),
            );
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[length / 2],
        length => (sorted[length / 2 - 1] + sorted[length / 2]) / 2.0,
    }
}

fn extremes(values: &[f64]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::INFINITY, 0.0), |(low, high), value| {
            (value.min(low), value.max(high))
        })
}
