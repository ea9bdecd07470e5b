//! Reads the JSON of an earlier run, to make its tables again.

use std::path::Path;

use serde_json::Value;

use crate::report::Report;
use crate::results::{Cell, Row};
use crate::runtimes;
use crate::workloads::WORKLOADS;

/// The results of an earlier run.
pub struct Recorded {
    machine: String,
    rounds: usize,
    versions: Vec<(&'static str, String)>,
    missing: Vec<(&'static str, String)>,
    rows: Vec<Row>,
}

impl Recorded {
    pub fn read(path: &Path) -> Result<Recorded, String> {
        let error = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|reason| error(&reason))?;
        let json: Value = serde_json::from_str(&text)
            .map_err(|reason| error(&format_args!("this is no JSON: {reason}")))?;
        Recorded::from_json(&json).ok_or_else(|| {
            error(&"these are no results of this program, or those of other workloads")
        })
    }

    fn from_json(json: &Value) -> Option<Recorded> {
        let rows = json["rows"].as_array()?.iter().map(row);
        Some(Recorded {
            machine: json["machine"].as_str()?.to_owned(),
            rounds: usize::try_from(json["rounds"].as_u64()?).ok()?,
            versions: texts_by_runtime(&json["versions"]),
            missing: texts_by_runtime(&json["not_built"]),
            rows: rows.collect::<Option<_>>()?,
        })
    }

    pub fn report(&self) -> Report<'_> {
        Report {
            machine: self.machine.clone(),
            rounds: self.rounds,
            versions: &self.versions,
            missing: &self.missing,
            rows: &self.rows,
        }
    }
}

/// In the order of the tables.
fn texts_by_runtime(object: &Value) -> Vec<(&'static str, String)> {
    runtimes::names()
        .filter_map(|name| Some((name, object[name].as_str()?.to_owned())))
        .collect()
}

fn row(json: &Value) -> Option<Row> {
    let name = json["workload"].as_str()?;
    let costs = &json["costs"];
    let cells = runtimes::names().filter_map(|runtime| {
        let costs = match &costs[runtime] {
            Value::Array(costs) => Ok(costs.iter().filter_map(Value::as_f64).collect()),
            failed => Err(failed["failed"].as_str()?.to_owned()),
        };
        Some(Cell { runtime, costs })
    });
    Some(Row {
        workload: WORKLOADS.iter().find(|workload| workload.name == name)?,
        cells: cells.collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recorded() -> Recorded {
        let row = |workload: &str, costs: Value| json!({ "workload": workload, "costs": costs });
        let json = json!({
            "machine": "a machine",
            "rounds": 3,
            "versions": { "nodeloop": "0", "tokio": "1", "Node": "v20" },
            "not_built": { "smol": "no compiler" },
            "rows": [
                row("spawn-ready", json!({
                    "nodeloop": [100.0, 110.0, 90.0],
                    "tokio": [200.0, 220.0, 180.0],
                    "Node": [50.0, 55.0, 45.0],
                })),
                row("yield", json!({ "nodeloop": [10.0, 10.0, 10.0], "tokio": [80.0, 80.0, 80.0] })),
                row("yield-1k", json!({ "nodeloop": [10.0, 10.0, 10.0], "tokio": [20.0, 31.0, 20.0] })),
                row("tick-chain", json!({ "nodeloop": [9.0], "Node": { "failed": "no answer" } })),
            ],
        });
        Recorded::from_json(&json).unwrap()
    }

    #[test]
    fn an_unsteady_row_is_marked_and_left_out_of_the_mean_and_of_the_readme() {
        let recorded = recorded();
        let report = recorded.report();
        let comparison = report.comparison();
        assert!(
            comparison.contains("| unsteady | 2.00..3.10 |"),
            "{comparison}"
        );
        let mean = "| geometric mean of the 2 steady rows | | | | 2.00 | |"; // of 0.5 and 8
        assert!(comparison.contains(mean), "{comparison}");
        assert_eq!(
            report.readme().lines().skip(2).collect::<Vec<_>>(),
            [
                "| spawn 1,000 ready tasks, await each | Node | 0.50 | 2.00 |",
                "| `yield_now`, 1 task | tokio | 8.00 | 8.00 |",
            ]
        );
        assert!(
            report.guide().contains(
                "| `yield_now`, 1,000 tasks | tokio | unsteady | 2.00..3.10 | unsteady |"
            )
        );
    }

    #[test]
    fn what_was_not_measured_is_listed() {
        let tables = recorded().report().tables();
        assert!(
            tables.starts_with("Measured on a machine, 3 rounds, with tokio 1, Node v20.\n\n|")
        );
        let end = "\n\nNot measured:\n\n* smol: no compiler\n* tick chain, Node: no answer\n";
        assert!(tables.ends_with(end), "{tables}");
    }

    #[test]
    fn json_that_was_written_is_read() {
        let json = recorded().report().json();
        assert_eq!(Recorded::from_json(&json).unwrap().report().json(), json);
        assert!(Recorded::from_json(&json!({ "rows": [] })).is_none());
    }
}
