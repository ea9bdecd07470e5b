//! The file of recorded counts.

use std::fmt::Write;
use std::process::Command;

/// Instructions by operation, and the compiler that built the program.
pub struct Recorded {
    pub compiler: String,
    pub counts: Vec<(String, u64)>,
}

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recorded.txt");

impl Recorded {
    /// Reads the recorded counts. A file that is missing records nothing.
    pub fn read() -> Recorded {
        let text = std::fs::read_to_string(PATH).unwrap_or_default();
        let mut lines = text.lines();
        let compiler = lines.next().unwrap_or_default().to_owned();
        let counts = lines.filter_map(|line| {
            let (name, count) = line.split_once(' ')?;
            Some((name.to_owned(), count.trim().parse().ok()?))
        });
        Recorded {
            counts: counts.collect(),
            compiler,
        }
    }

    pub fn of_this_compiler() -> Result<Recorded, String> {
        let output = Command::new(option_env!("RUSTC").unwrap_or("rustc"))
            .arg("--version")
            .output();
        let output = output.map_err(|error| format!("rustc cannot be run: {error}"))?;
        Ok(Recorded {
            compiler: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            counts: Vec::new(),
        })
    }

    pub fn count(&self, name: &str) -> Option<u64> {
        let found = self.counts.iter().find(|(known, _)| known == name);
        found.map(|(_, count)| *count)
    }

    pub fn write(&self) -> Result<(), String> {
        let mut text = format!("{}\n", self.compiler);
        for (name, count) in &self.counts {
            let _ = writeln!(text, "{name:<30} {count:>6}");
        }
        std::fs::write(PATH, text).map_err(|error| format!("{PATH}: {error}"))
    }
}
