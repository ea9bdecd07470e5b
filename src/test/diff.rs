//! The difference between an expected order and the log.

use super::log::LogEntry;

/// How many equal lines are printed before and after a difference; the others are omitted.
const CONTEXT: usize = 3;

/// With more pairs of lines than this they are not aligned, because that would take too long.
const MAX_PAIRS: usize = 4_000_000;

/// A line of a difference, with its index in the log (`Same`, `Logged`) or in the expected labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Same(usize),
    Expected(usize),
    Logged(usize),
}

/// Returns a text with a line for each entry: ` ` if it is as expected, `-` if it is missing, `+`
/// if it was logged instead.
pub(super) fn difference(expected: &[&str], logged: &[LogEntry]) -> String {
    difference_from(expected, logged, 0)
}

/// Does what [`difference`] does, for a part of a log that begins after `skipped` entries.
pub(super) fn difference_from(expected: &[&str], logged: &[LogEntry], skipped: usize) -> String {
    let labels: Vec<&str> = logged.iter().map(LogEntry::label).collect();
    let lines = aligned(expected, &labels);
    let quoted = |label: &str| format!("{label:?}");
    let widths = expected
        .iter()
        .chain(&labels)
        .map(|label| quoted(label).chars().count());
    let width = widths.max().unwrap_or(0).min(32);
    let number_width = (skipped + expected.len().max(logged.len()))
        .to_string()
        .len();
    let mut text = String::new();
    for part in with_context(&lines) {
        let (sign, number, label, note) = match part {
            Part::Omitted(count) => {
                text += &format!("    … {count} more as expected\n");
                continue;
            }
            Part::Line(Line::Same(index)) => (' ', index, labels[index], logged[index].to_string()),
            Part::Line(Line::Logged(index)) => {
                ('+', index, labels[index], logged[index].to_string())
            }
            Part::Line(Line::Expected(index)) => {
                let label = expected[index];
                let note = match labels.iter().position(|other| *other == label) {
                    Some(index) => format!("logged as entry {}", skipped + index + 1),
                    None => "never logged".to_owned(),
                };
                ('-', index, label, note)
            }
        };
        let (number, label) = (skipped + number + 1, quoted(label));
        text += &format!("  {sign} {number:>number_width$} {label:<width$}  {note}\n");
    }
    text.truncate(text.trim_end().len());
    text
}

/// The most lines of a difference of traces.
const MAX_LINES: usize = 60;

/// Returns a text with the lines of two traces that differ, and some before and after them, or `None` if
/// they are equal.
pub(super) fn difference_of_lines<'a>(one: &'a [String], other: &'a [String]) -> Option<String> {
    let strs = |lines: &'a [String]| lines.iter().map(String::as_str).collect();
    let (one, other): (Vec<&str>, Vec<&str>) = (strs(one), strs(other));
    let lines = aligned(&one, &other);
    if lines.iter().all(|line| matches!(line, Line::Same(_))) {
        return None;
    }
    let parts = with_context(&lines);
    let mut text = String::new();
    for part in parts.iter().take(MAX_LINES) {
        text += &match part {
            Part::Omitted(count) => format!("    … {count} equal lines\n"),
            Part::Line(Line::Same(index)) => format!("    {}\n", other[*index]),
            Part::Line(Line::Logged(index)) => format!("  + {}\n", other[*index]),
            Part::Line(Line::Expected(index)) => format!("  - {}\n", one[*index]),
        };
    }
    if parts.len() > MAX_LINES {
        text += &format!("    … {} lines more\n", parts.len() - MAX_LINES);
    }
    text.truncate(text.trim_end().len());
    Some(text)
}

/// Returns in how many lines two logs differ.
pub(super) fn distance(expected: &[&str], logged: &[&str]) -> usize {
    let lines = aligned(expected, logged);
    let differs = |line: &&Line| !matches!(line, Line::Same(_));
    lines.iter().filter(differs).count()
}

enum Part {
    Line(Line),
    Omitted(usize),
}

/// Omits lines that are far from any difference.
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
            Some(Part::Omitted(count)) => *count += 1,
            _ => parts.push(Part::Omitted(1)),
        }
    }
    parts
}

/// Aligns the labels by a longest common subsequence. At a difference the expected lines are first.
fn aligned(expected: &[&str], logged: &[&str]) -> Vec<Line> {
    let same = |(a, b): (&&str, &&str)| a == b;
    let common = expected
        .iter()
        .zip(logged)
        .take_while(|pair| same(*pair))
        .count();
    let (rest_expected, rest_logged) = (&expected[common..], &logged[common..]);
    let (rows, columns) = (rest_expected.len(), rest_logged.len());
    let mut lines: Vec<Line> = (0..common).map(Line::Same).collect();
    if rows.saturating_mul(columns) > MAX_PAIRS {
        lines.extend((common..expected.len()).map(Line::Expected));
        lines.extend((common..logged.len()).map(Line::Logged));
        return lines;
    }
    // lengths[row][column] is the length of the longest common subsequence of the parts from there
    // on.
    let mut lengths = vec![vec![0_u32; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            lengths[row][column] = if rest_expected[row] == rest_logged[column] {
                lengths[row + 1][column + 1] + 1
            } else {
                lengths[row + 1][column].max(lengths[row][column + 1])
            };
        }
    }
    let (mut row, mut column) = (0, 0);
    while row < rows || column < columns {
        let is_same = row < rows && column < columns && rest_expected[row] == rest_logged[column];
        let expected_first = column == columns
            || (row < rows && lengths[row + 1][column] >= lengths[row][column + 1]);
        if is_same {
            lines.push(Line::Same(common + column));
            (row, column) = (row + 1, column + 1);
        } else if expected_first {
            lines.push(Line::Expected(common + row));
            row += 1;
        } else {
            lines.push(Line::Logged(common + column));
            column += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::Line::{Expected, Logged, Same};
    use super::aligned;

    #[test]
    fn common_lines_are_kept_and_the_others_printed_in_order() {
        assert_eq!(aligned(&["a", "b"], &["a", "b"]), [Same(0), Same(1)]);
        let swapped = [Same(0), Expected(1), Same(1), Logged(2)];
        assert_eq!(aligned(&["a", "b", "c"], &["a", "c", "b"]), swapped);
        assert_eq!(aligned(&[], &["a"]), [Logged(0)]);
        assert_eq!(aligned(&["a"], &[]), [Expected(0)]);
    }
}
