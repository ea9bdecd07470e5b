//! The difference between the order that was expected and the one that came.

use super::log::LogEntry;

/// How many lines that are as expected stand around a difference; more are left out.
const CONTEXT: usize = 3;

/// Above this many pairs nothing is aligned: a test of such a size compares something else.
const PAIRS: usize = 4_000_000;

/// One line of a difference: indices into what was expected and what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Same(usize),
    Expected(usize),
    Came(usize),
}

/// A line for each entry: ` ` as expected, `-` expected here, `+` came here.
pub(super) fn difference(expected: &[&str], came: &[LogEntry]) -> String {
    difference_from(expected, came, 0)
}

/// The same for a part of a log, which begins behind `skipped` entries.
pub(super) fn difference_from(expected: &[&str], came: &[LogEntry], skipped: usize) -> String {
    let labels: Vec<&str> = came.iter().map(LogEntry::label).collect();
    let lines = aligned(expected, &labels);
    let quoted = |label: &str| format!("{label:?}");
    let widths = expected
        .iter()
        .chain(&labels)
        .map(|label| quoted(label).chars().count());
    let width = widths.max().unwrap_or(0).min(32);
    let number_width = (skipped + expected.len().max(came.len())).to_string().len();
    let mut text = String::new();
    for part in with_context(&lines) {
        let (sign, number, label, told) = match part {
            Part::LeftOut(count) => {
                text += &format!("    … {count} more as expected\n");
                continue;
            }
            Part::Line(Line::Same(index)) => (' ', index, labels[index], came[index].to_string()),
            Part::Line(Line::Came(index)) => ('+', index, labels[index], came[index].to_string()),
            Part::Line(Line::Expected(index)) => {
                let label = expected[index];
                let elsewhere = labels.iter().position(|other| *other == label);
                let told = match elsewhere {
                    Some(at) => format!("it came as {}", skipped + at + 1),
                    None => "it never came".to_owned(),
                };
                ('-', index, label, told)
            }
        };
        let (number, label) = (skipped + number + 1, quoted(label));
        text += &format!("  {sign} {number:>number_width$} {label:<width$}  {told}\n");
    }
    text.truncate(text.trim_end().len());
    text
}

enum Part {
    Line(Line),
    LeftOut(usize),
}

/// Leaves out what is far from any difference.
fn with_context(lines: &[Line]) -> Vec<Part> {
    let differs = |line: &Line| !matches!(line, Line::Same(_));
    let is_near = |index: usize| {
        let from = index.saturating_sub(CONTEXT);
        let to = (index + CONTEXT + 1).min(lines.len());
        lines[from..to].iter().any(differs)
    };
    let mut parts = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        match parts.last_mut() {
            _ if is_near(index) => parts.push(Part::Line(*line)),
            Some(Part::LeftOut(count)) => *count += 1,
            _ => parts.push(Part::LeftOut(1)),
        }
    }
    parts
}

/// A longest common subsequence, with what is expected in front of what came.
fn aligned(expected: &[&str], came: &[&str]) -> Vec<Line> {
    let same = |(a, b): (&&str, &&str)| a == b;
    let front = expected
        .iter()
        .zip(came)
        .take_while(|pair| same(*pair))
        .count();
    let (rest_expected, rest_came) = (&expected[front..], &came[front..]);
    let (rows, columns) = (rest_expected.len(), rest_came.len());
    let mut lines: Vec<Line> = (0..front).map(Line::Same).collect();
    if rows.saturating_mul(columns) > PAIRS {
        lines.extend((front..expected.len()).map(Line::Expected));
        lines.extend((front..came.len()).map(Line::Came));
        return lines;
    }
    // lengths[row][column]: of the longest common subsequence of what begins there.
    let mut lengths = vec![vec![0_u32; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            lengths[row][column] = if rest_expected[row] == rest_came[column] {
                lengths[row + 1][column + 1] + 1
            } else {
                lengths[row + 1][column].max(lengths[row][column + 1])
            };
        }
    }
    let (mut row, mut column) = (0, 0);
    while row < rows || column < columns {
        let is_same = row < rows && column < columns && rest_expected[row] == rest_came[column];
        let expected_first = column == columns
            || (row < rows && lengths[row + 1][column] >= lengths[row][column + 1]);
        if is_same {
            lines.push(Line::Same(front + column));
            (row, column) = (row + 1, column + 1);
        } else if expected_first {
            lines.push(Line::Expected(front + row));
            row += 1;
        } else {
            lines.push(Line::Came(front + column));
            column += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::Line::{Came, Expected, Same};
    use super::aligned;

    #[test]
    fn what_is_common_is_kept_and_the_rest_is_told_in_order() {
        assert_eq!(aligned(&["a", "b"], &["a", "b"]), [Same(0), Same(1)]);
        let swapped = [Same(0), Expected(1), Same(1), Came(2)];
        assert_eq!(aligned(&["a", "b", "c"], &["a", "c", "b"]), swapped);
        assert_eq!(aligned(&[], &["a"]), [Came(0)]);
        assert_eq!(aligned(&["a"], &[]), [Expected(0)]);
    }
}
