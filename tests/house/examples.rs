//! Every example prints its recorded output, and what Node prints for its JavaScript original.
//!
//! The recorded output is `examples/expected/<name>.txt`; the original is the `js` block in the
//! example's header. Two lines in the header control the comparison:
//!
//! ```text
//! //! Compared with Node: exactly
//! //! Compared with Node: as a set of lines                  (the recorded output, too)
//! //! Compared with Node: as a set of lines after line 2     (the first two in their order)
//! //! Compared with Node: up to numbers                      (the recorded output exactly,
//! //!                                                         a `#` in it stands for a number)
//! //! Compared with Node: not, because …
//!
//! //! Run: with the arguments first second                   (none without such a line)
//! //! Run: by hand, because …                                (then it only has to be built)
//!
//! //! On Windows: without line 4, because …                  (of the recorded output)
//! //! On Windows: not run, because …
//! ```
//!
//! The comparison with Node is skipped if `node` is not on the `PATH`, unless `NODELOOP_REQUIRE_NODE`
//! is set.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// Far more than any example needs, for busy machines.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn every_example_prints_what_is_recorded_and_what_node_prints() {
    let node = has_node();
    let mut failures = Vec::new();
    for example in examples() {
        if let Err(failure) = example.check(node) {
            failures.push(format!("--- {}: {failure}", example.name));
        }
    }
    failures.extend(recordings_without_example());
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

struct Example {
    name: String,
    source: PathBuf,
}

impl Example {
    fn check(&self, node: bool) -> Result<(), String> {
        let source = fs::read_to_string(&self.source).map_err(|error| error.to_string())?;
        let header = Header::parse(&source)?;
        let binary = self.binary()?;
        let Run::WithArguments(arguments) = &header.run else {
            return Ok(());
        };
        if let (true, OnWindows::NotRun(reason)) = (cfg!(windows), &header.on_windows) {
            println!("{}: not run on Windows, because {reason}", self.name);
            return Ok(());
        }
        let mut recorded = fs::read_to_string(recording(&self.name)).map_err(|error| {
            format!("it has no recorded output and no `Run: by hand` line: {error}")
        })?;
        let printed = output(Command::new(binary).args(arguments))?;
        if let (true, OnWindows::WithoutLine(line)) = (cfg!(windows), &header.on_windows) {
            recorded = without_line(&recorded, *line);
        }
        match header.node {
            Comparison::UpToNumbers => {
                let printed = mask_like(&recorded, &printed);
                Comparison::Exactly.check("the recorded output", &recorded, &printed)?;
            }
            comparison => comparison.check("the recorded output", &recorded, &printed)?,
        }
        match &header.original {
            Some(original) if node => {
                let from_node = run_in_node(&self.name, original)?;
                header.node.check("Node", &from_node, &printed)
            }
            _ => Ok(()),
        }
    }

    /// The example's program, which `cargo test` has built next to this one.
    fn binary(&self) -> Result<PathBuf, String> {
        let this = std::env::current_exe().map_err(|error| error.to_string())?;
        let profile = this.parent().and_then(Path::parent);
        let file = format!("{}{}", self.name, std::env::consts::EXE_SUFFIX);
        let binary = profile.expect("…/deps").join("examples").join(file);
        let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
        let built = modified(&binary).unwrap_or(SystemTime::UNIX_EPOCH);
        if modified(&self.source).is_ok_and(|written| written > built) {
            return Err(format!(
                "{} is not there or older than its source: `cargo test --test …` builds no \
                 examples, `cargo build --examples` does",
                binary.display()
            ));
        }
        Ok(binary)
    }
}

/// The header of an example.
#[derive(Debug, PartialEq)]
struct Header {
    run: Run,
    node: Comparison,
    /// The JavaScript to compare with.
    original: Option<String>,
    on_windows: OnWindows,
}

#[derive(Debug, PartialEq)]
enum OnWindows {
    AsElsewhere,
    /// One line of the recorded output is missing, counted from 1.
    WithoutLine(usize),
    /// The reason.
    NotRun(String),
}

impl OnWindows {
    fn parse(how: Option<&str>) -> Result<OnWindows, String> {
        let Some(how) = how else {
            return Ok(OnWindows::AsElsewhere);
        };
        let parsed = match how.split_once(", because ") {
            Some((_, "")) | None => None,
            Some(("not run", reason)) => Some(OnWindows::NotRun(reason.to_owned())),
            Some((what, _)) => {
                let line = what.strip_prefix("without line ");
                line.and_then(|line| line.parse().ok().map(OnWindows::WithoutLine))
            }
        };
        parsed.ok_or_else(|| format!("`On Windows: {how}` is none of the forms"))
    }
}

#[derive(Debug, PartialEq)]
enum Run {
    WithArguments(Vec<String>),
    ByHand,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Exactly,
    /// The first lines in their order, the others in any.
    SetOfLines {
        in_order: usize,
    },
    UpToNumbers,
    Not,
}

impl Header {
    fn parse(source: &str) -> Result<Header, String> {
        let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
        let lines: Vec<&str> = lines
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        let field = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name));

        let run = match field("Run: ") {
            None => Run::WithArguments(Vec::new()),
            Some(how) if is_reason(how, "by hand, because ") => Run::ByHand,
            Some(how) => match how.strip_prefix("with the arguments ") {
                Some(all) => Run::WithArguments(all.split(' ').map(str::to_owned).collect()),
                None => return Err(format!("`Run: {how}` is none of the forms")),
            },
        };
        let node = match field("Compared with Node: ") {
            Some(how) => Comparison::parse(how)
                .ok_or_else(|| format!("`Compared with Node: {how}` is none of the forms"))?,
            None if run == Run::ByHand => Comparison::Not,
            None => return Err("it has no line `Compared with Node: …`".to_owned()),
        };
        let mut original = None;
        if node != Comparison::Not {
            let block = lines.iter().skip_while(|line| **line != "```js").skip(1);
            let block: Vec<&str> = block.take_while(|line| **line != "```").copied().collect();
            if block.is_empty() {
                return Err("it has no `js` block to compare with".to_owned());
            }
            original = Some(block.join("\n"));
        }
        Ok(Header {
            run,
            node,
            original,
            on_windows: OnWindows::parse(field("On Windows: "))?,
        })
    }
}

impl Comparison {
    fn parse(how: &str) -> Option<Comparison> {
        if let Some(in_order) = how.strip_prefix("as a set of lines after line ") {
            let in_order = in_order.parse().ok()?;
            return Some(Comparison::SetOfLines { in_order });
        }
        match how {
            "exactly" => Some(Comparison::Exactly),
            "as a set of lines" => Some(Comparison::SetOfLines { in_order: 0 }),
            "up to numbers" => Some(Comparison::UpToNumbers),
            _ if is_reason(how, "not, because ") => Some(Comparison::Not),
            _ => None,
        }
    }

    fn check(self, whose: &str, expected: &str, printed: &str) -> Result<(), String> {
        if self.normalized(expected) == self.normalized(printed) {
            return Ok(());
        }
        Err(format!(
            "compared with {whose} ({self:?}), it differs\n\
             expected:\n{expected}\nprinted:\n{printed}"
        ))
    }

    fn normalized(self, text: &str) -> Vec<String> {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        match self {
            Comparison::Exactly | Comparison::Not => {}
            Comparison::SetOfLines { in_order } => {
                let in_order = in_order.min(lines.len());
                lines[in_order..].sort();
            }
            Comparison::UpToNumbers => lines.iter_mut().for_each(|line| *line = no_numbers(line)),
        }
        lines
    }
}

fn is_reason(how: &str, start: &str) -> bool {
    how.strip_prefix(start).is_some_and(|why| !why.is_empty())
}

/// Every number becomes one `#`.
fn no_numbers(line: &str) -> String {
    let mut text = String::new();
    for character in line.chars() {
        match character {
            '0'..='9' if text.ends_with('#') => {}
            '0'..='9' => text.push('#'),
            other => text.push(other),
        }
    }
    text
}

fn without_line(text: &str, line: usize) -> String {
    let lines = text.lines().enumerate().filter(|(at, _)| at + 1 != line);
    lines.map(|(_, text)| text.to_owned() + "\n").collect()
}

/// Masks the numbers of those lines whose recording has a `#`.
fn mask_like(recorded: &str, printed: &str) -> String {
    let mut recorded = recorded.lines();
    let lines = printed.lines().map(|line| match recorded.next() {
        Some(mask) if mask.contains('#') => no_numbers(line) + "\n",
        _ => line.to_owned() + "\n",
    });
    lines.collect()
}

fn run_in_node(name: &str, original: &str) -> Result<String, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let script = directory.path().join(format!("{name}.cjs"));
    fs::write(&script, original).map_err(|error| error.to_string())?;
    output(Command::new("node").arg(script))
}

/// Runs a program and returns what it printed.
fn output(command: &mut Command) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{command:?} does not start: {error}"))?;
    let stdout = read_on_thread(child.stdout.take());
    let stderr = read_on_thread(child.stderr.take());
    let start = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if start.elapsed() < LIMIT => thread::sleep(Duration::from_millis(5)),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{command:?} has not ended within {LIMIT:?}"));
            }
        }
    };
    let text = |bytes: thread::JoinHandle<Vec<u8>>| {
        let bytes = bytes.join().expect("reading does not panic");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    if !status.success() {
        return Err(format!("{command:?}: {status}\n{}", text(stderr)));
    }
    Ok(text(stdout))
}

fn read_on_thread(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    let mut pipe = pipe.expect("the pipe was requested");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

/// The examples that cargo finds: `examples/<name>.rs` and `examples/<name>/main.rs`.
fn examples() -> Vec<Example> {
    let mut examples = Vec::new();
    for path in files_of("examples") {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let main = path.join("main.rs");
        let source = match path.extension() {
            Some(extension) if extension == "rs" => path.clone(),
            _ if main.exists() => main,
            _ => continue,
        };
        examples.push(Example {
            name: name.into_owned(),
            source,
        });
    }
    assert!(!examples.is_empty(), "there are examples");
    examples
}

fn recordings_without_example() -> Vec<String> {
    let names: BTreeSet<PathBuf> = examples()
        .iter()
        .map(|example| recording(&example.name))
        .collect();
    files_of("examples/expected")
        .into_iter()
        .filter(|path| !names.contains(path))
        .map(|path| format!("--- {}: there is no such example", path.display()))
        .collect()
}

fn recording(name: &str) -> PathBuf {
    root()
        .join("examples/expected")
        .join(name)
        .with_extension("txt")
}

/// The paths in a directory of the repository, sorted.
fn files_of(directory: &str) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(root().join(directory)).expect("the directory exists");
    entries
        .map(|entry| entry.expect("the entry can be read").path())
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn has_node() -> bool {
    let version = Command::new("node").arg("--version").output();
    let has_node = version.is_ok_and(|output| output.status.success());
    assert!(
        has_node || std::env::var_os("NODELOOP_REQUIRE_NODE").is_none(),
        "NODELOOP_REQUIRE_NODE is set, and `node` is not on the PATH"
    );
    if !has_node {
        println!("`node` is not on the PATH: the examples are not compared with it");
    }
    has_node
}

#[test]
fn a_header_without_its_lines_is_refused() {
    let refused = [
        ("//! A lesson.\n", "no line `Compared"),
        ("//! Compared with Node: exactly\n", "no `js` block"),
        ("//! Compared with Node: roughly\n", "none of the forms"),
        (
            "//! Compared with Node: not, because \n",
            "none of the forms",
        ),
        ("//! Run: by hand\n", "none of the forms"),
        (
            "//! Run: by hand, because x\n//! On Windows: not run\n",
            "none of the forms",
        ),
        (
            "// Compared with Node: not, because x\n",
            "no line `Compared",
        ),
    ];
    for (header, reason) in refused {
        let error = Header::parse(header).unwrap_err();
        assert!(error.contains(reason), "{header}: {error}");
    }
    let header = "//! Run: with the arguments a b\n//! Compared with Node: up to numbers\n\
                  //! On Windows: without line 2, because it is short\n\
                  //!\n//! ```js\n//! one();\n//!   two();\n//! ```\n//! ```\n";
    let parsed = Header {
        run: Run::WithArguments(vec!["a".to_owned(), "b".to_owned()]),
        node: Comparison::UpToNumbers,
        original: Some("one();\n  two();".to_owned()),
        on_windows: OnWindows::WithoutLine(2),
    };
    assert_eq!(Header::parse(header), Ok(parsed));
    let by_hand = Header::parse("//! Run: by hand, because it serves forever\n").unwrap();
    assert_eq!(by_hand.run, Run::ByHand);
}

#[test]
fn an_output_that_differs_is_refused() {
    let set = Comparison::SetOfLines { in_order: 1 };
    for (comparison, one, other, same) in [
        (Comparison::Exactly, "a\nb\n", "a\nb\n", true),
        (Comparison::Exactly, "a\nb\n", "b\na\n", false),
        (Comparison::Exactly, "a\n", "a\na\n", false),
        (set, "a\nb\nc\n", "a\nc\nb\n", true),
        (set, "a\nb\nc\n", "b\na\nc\n", false),
        (set, "a\nb\n", "a\nb\nb\n", false),
        (Comparison::UpToNumbers, "105ms", "98 ms", false),
        (Comparison::UpToNumbers, "105ms", "98ms", true),
    ] {
        let result = comparison.check("it", one, other);
        assert_eq!(result.is_ok(), same, "{comparison:?}: {one:?} {other:?}");
    }
}

#[test]
fn a_mask_hides_the_numbers_of_its_line_only() {
    let recorded = "all # of them\n5 of them\n";
    assert_eq!(mask_like(recorded, "all 17 of them\n5 of them\n"), recorded);
    assert_ne!(mask_like(recorded, "all 17 of them\n6 of them\n"), recorded);
    assert_ne!(mask_like(recorded, "all of them\n5 of them\n"), recorded);
    assert_ne!(mask_like(recorded, "all 17 of them\n"), recorded);
}
