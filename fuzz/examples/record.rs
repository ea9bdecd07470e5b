//! Records the programs of the target `recordings`, as inputs of its corpus.
//!
//!     cargo run --example record -- corpus/recordings

use std::path::Path;

use nodeloop_fuzz::recordings::{EXPLORED, MENDED, PROGRAMS, record};

fn main() {
    let directory = std::env::args().nth(1).expect("the directory of a corpus");
    for (number, (name, program)) in PROGRAMS.into_iter().enumerate() {
        for (payloads, suffix) in [(false, ""), (true, "-payloads")] {
            let mut input = vec![number as u8 | MENDED | EXPLORED, 128];
            input.extend(record(program, payloads));
            let path = Path::new(&directory).join(format!("{name}{suffix}"));
            std::fs::write(&path, &input).expect("an input");
            println!("{}: {} bytes", path.display(), input.len());
        }
    }
}
