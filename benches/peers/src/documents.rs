//! Writes the tables into the documents that contain them.

use std::path::Path;

use crate::report::Report;

/// Replaces the tables of the documents. Their text stays as it is.
pub fn update(report: &Report<'_>) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let source = report.source() + "\n";
    let (comparison, medians) = (report.comparison(), report.medians());
    let (guide, readme) = (report.guide(), report.readme());
    let documents: [(&str, &[(&str, &str)]); 3] = [
        ("README.md", &[("| row of the comparison |", &readme)]),
        (
            "src/guide/performance.md",
            &[("| row | best peer |", &guide), ("Measured on ", &source)],
        ),
        (
            "benches/peers/README.md",
            &[
                ("Measured on ", &source),
                ("| row | workload |", &comparison),
                ("| row | nodeloop | tokio |", &medians),
            ],
        ),
    ];
    let mut changed = Vec::new(); // all of them, before the first is written
    for (name, parts) in documents {
        let path = root.join(name);
        let error = |reason: &dyn std::fmt::Display| format!("{name}: {reason}");
        let mut text = std::fs::read_to_string(&path).map_err(|reason| error(&reason))?;
        for (start, part) in parts {
            text = replace(&text, start, part).map_err(|reason| error(&reason))?;
        }
        changed.push((name, path, text));
    }
    for (name, path, text) in changed {
        std::fs::write(&path, text).map_err(|reason| format!("{name}: {reason}"))?;
        eprintln!("wrote {name}");
    }
    Ok(())
}

/// Replaces the paragraph or table that begins with `start` by `part`, which begins with it, too.
fn replace(text: &str, start: &str, part: &str) -> Result<String, String> {
    if !part.starts_with(start) {
        return Err(format!("the results have no part `{start}`"));
    }
    let from = match text.find(&format!("\n{start}")) {
        Some(line_end) => line_end + 1,
        None => return Err(format!("no line begins with `{start}`")),
    };
    let to = text[from..]
        .find("\n\n")
        .map_or(text.len(), |end| from + end + 1);
    Ok(format!("{}{part}{}", &text[..from], &text[to..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_replaced_up_to_the_next_empty_line() {
        let text = "# A\n\n| x | y |\n| 1 | 2 |\n\ntext\n\n| z |\n";
        assert_eq!(
            replace(text, "| x |", "| x | w |\n").unwrap(),
            "# A\n\n| x | w |\n\ntext\n\n| z |\n"
        );
        assert_eq!(
            replace(text, "| z |", "| z |\n| 3 |\n").unwrap(),
            "# A\n\n| x | y |\n| 1 | 2 |\n\ntext\n\n| z |\n| 3 |\n"
        );
        assert!(replace(text, "| q |", "| q |\n").is_err());
        assert!(replace(text, "| x |", "").is_err());
    }
}
