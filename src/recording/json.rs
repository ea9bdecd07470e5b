//! A writer of JSON that has only what recordings need.
//!
//! Invariant: the output can be embedded in a `<script>` element. A `<` in a string is written as
//! `\u003c`, so neither `</script>` nor `<!--` can end or change the element.

use std::fmt::Write;

/// Appends `text` as a JSON string.
pub(super) fn string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Line ends in JavaScript, and characters with a meaning in HTML.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' | '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Appends `text` as the text of an HTML element.
pub(super) fn html(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
}

/// A JSON object that is being written. [`end`](Object::end) closes it.
pub(super) struct Object<'a> {
    out: &'a mut String,
    is_first: bool,
}

impl<'a> Object<'a> {
    pub(super) fn new(out: &'a mut String) -> Object<'a> {
        out.push('{');
        Object {
            out,
            is_first: true,
        }
    }

    /// Writes `name` and returns the output for its value.
    pub(super) fn value(&mut self, name: &str) -> &mut String {
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.push(',');
        }
        string(self.out, name);
        self.out.push(':');
        self.out
    }

    pub(super) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        string(self.value(name), text);
        self
    }

    pub(super) fn number(&mut self, name: &str, number: impl Into<i128>) -> &mut Self {
        let _ = write!(self.value(name), "{}", number.into());
        self
    }

    /// Writes a thousandth of `number` exactly, to convert nanoseconds to microseconds.
    pub(super) fn thousandth(&mut self, name: &str, number: u64) -> &mut Self {
        let out = self.value(name);
        let _ = write!(out, "{}", number / 1_000);
        let rest = number % 1_000;
        if rest > 0 {
            let digits = format!(".{rest:03}");
            out.push_str(digits.trim_end_matches('0'));
        }
        self
    }

    pub(super) fn end(&mut self) {
        self.out.push('}');
    }
}

/// Appends a JSON array with one item per line, each written by `write`.
pub(super) fn lines<T>(
    out: &mut String,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    out.push('[');
    for (index, item) in items.into_iter().enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        write(out, item);
    }
    out.push_str("\n]");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> String {
        let mut out = String::new();
        string(&mut out, text);
        out
    }

    #[test]
    fn every_string_comes_back_as_it_was() {
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        for text in [
            "",
            "plain",
            "\"quoted\" \\ / \n\r\t\0\u{8}\u{c}\u{7f}\u{2028}\u{2029}\u{1f600}",
            "</script><!-- <script>",
            &all,
        ] {
            let back: String = serde_json::from_str(&quoted(text)).expect("it is JSON");
            assert_eq!(back, text);
        }
    }

    #[test]
    fn nothing_in_a_string_can_end_a_script_element() {
        let text = quoted("</script></SCRIPT ><!--<script>]]>&lt;");
        assert!(!text.contains(['<', '>', '&']), "{text}");
    }

    #[test]
    fn objects_nest_and_numbers_are_exact() {
        let mut out = String::new();
        let mut object = Object::new(&mut out);
        object.text("a", "x").number("b", u64::MAX).number("c", -1);
        object.thousandth("d", 1_500).thousandth("e", 2_000);
        object.thousandth("f", 7);
        lines(object.value("g"), [1, 2], |out, item| {
            out.push_str(&item.to_string());
        });
        object.end();
        let expected = "{\"a\":\"x\",\"b\":18446744073709551615,\"c\":-1,\"d\":1.5,\"e\":2,\
                        \"f\":0.007,\"g\":[\n1,\n2\n]}";
        assert_eq!(out, expected);
        serde_json::from_str::<serde_json::Value>(&out).expect("it is JSON");
    }

    #[test]
    fn html_is_text() {
        let mut out = String::new();
        html(&mut out, "<b>\"&\"</b>");
        assert_eq!(out, "&lt;b&gt;&quot;&amp;&quot;&lt;/b&gt;");
    }
}
