//! Medians and spreads of the rounds.

use std::time::Duration;

/// The measurements of one row.
#[derive(Default)]
pub struct Samples {
    nodeloop_ns: Vec<f64>,
    tokio_ns: Vec<f64>,
}

/// The results of one row.
pub struct Summary {
    pub nodeloop_ns: f64,
    pub tokio_ns: f64,
    /// The ratio of tokio's time to nodeloop's, by round.
    pub ratio: Spread,
}

pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

impl Samples {
    pub fn push(&mut self, nodeloop: Duration, tokio: Duration, count: u64) {
        self.nodeloop_ns
            .push(nodeloop.as_nanos() as f64 / count as f64);
        self.tokio_ns.push(tokio.as_nanos() as f64 / count as f64);
    }

    pub fn summary(&self) -> Summary {
        let rounds = self.nodeloop_ns.iter().zip(&self.tokio_ns);
        Summary {
            nodeloop_ns: spread(self.nodeloop_ns.iter().copied()).median,
            tokio_ns: spread(self.tokio_ns.iter().copied()).median,
            ratio: spread(rounds.map(|(nodeloop, tokio)| tokio / nodeloop)),
        }
    }
}

fn spread(values: impl Iterator<Item = f64>) -> Spread {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    Spread {
        min: values[0],
        median: if values.len() % 2 == 1 {
            values[middle]
        } else {
            (values[middle - 1] + values[middle]) / 2.0
        },
        max: values[values.len() - 1],
    }
}
