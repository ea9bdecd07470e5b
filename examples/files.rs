//! Two file operations run at the same time, and their callbacks one after the other.
//!
//! The operations run on threads of the pool. Each callback is a macrotask of the poll phase, in
//! the order in which the operations finish. That order depends on the machine, here and in Node.
//! The script always runs first.
//!
//! Compared with Node: as a set of lines after line 1
//!
//! ```js
//! const fs = require('node:fs');
//! const os = require('node:os');
//! const path = require('node:path');
//!
//! const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'files-'));
//! const input = path.join(directory, 'input.txt');
//! const output = path.join(directory, 'output.txt');
//! fs.writeFileSync(input, 'hello from the disk');
//!
//! fs.readFile(input, 'utf8', (error, text) => console.log(`read: ${text}`));
//! fs.writeFile(output, 'hello to the disk', (error) => console.log('written'));
//! console.log('both have been started');
//!
//! process.on('exit', () => fs.rmSync(directory, { recursive: true }));
//! ```

use nodeloop::recording::println;
use nodeloop::{queue_work, run_script};

fn main() -> std::io::Result<()> {
    let _recording = nodeloop::recording::from_args(); // `-- --html page.html`
    let directory = tempfile::tempdir()?;
    let input = directory.path().join("input.txt");
    let output = directory.path().join("output.txt");
    std::fs::write(&input, "hello from the disk")?;

    run_script(move || {
        queue_work(
            move || std::fs::read_to_string(input),
            |text| println!("read: {}", text.expect("the file exists")),
        );
        queue_work(
            move || std::fs::write(output, "hello to the disk"),
            |written| {
                written.expect("the directory exists");
                println!("written");
            },
        );
        println!("both have been started");
    });
    directory.close()
}
