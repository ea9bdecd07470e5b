//! What a table says about where it was measured.

use std::fs;
use std::process::Command;

use crate::runtimes::output_of;

pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub system: String,
    pub compiler: String,
    /// The day, such as 2026-11-27.
    pub date: String,
    /// The number of processes that could run, over the last minute.
    pub load: String,
}

impl Machine {
    pub fn read() -> Machine {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let model = processors
            .lines()
            .find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| line.split_once(": "));
        let release = read("/proc/sys/kernel/osrelease");
        let release: Vec<&str> = release.trim().split(['.', '-']).take(2).collect();
        let compiler = output_of(Command::new("rustc").arg("--version")).unwrap_or_default();
        Machine {
            processor: model
                .map_or("an unknown processor", |(_, name)| name)
                .to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: format!("Linux {}", release.join(".")),
            compiler: compiler
                .split(" (")
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned(),
            date: output_of(Command::new("date").args(["--utc", "+%F"]))
                .unwrap_or_default()
                .trim()
                .to_owned(),
            load: read("/proc/loadavg")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
        }
    }

    pub fn text(&self) -> String {
        format!(
            "{} ({} cores), {}, {}, {}, load average {} at the end",
            self.processor, self.cores, self.system, self.compiler, self.date, self.load
        )
    }
}
