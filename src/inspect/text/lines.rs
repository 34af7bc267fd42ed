//! Lines of a label and a text that is folded beside it.

/// Columns of a line.
const WIDTH: usize = 96;
/// Columns before the text: two, the label, and two more at least.
const TEXT_AT: usize = 15;

/// Text in the making.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: String,
}

impl Lines {
    /// A line that is not indented.
    pub(super) fn heading(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// An empty line, unless there is one.
    pub(super) fn gap(&mut self) {
        if !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// `label` and `text` beside it, folded between words.
    pub(super) fn row(&mut self, label: &str, text: &str) {
        let mut line = format!("  {label:<width$}", width = TEXT_AT - 2);
        let mut used = line.chars().count();
        let mut first = true;
        for word in text.split(' ') {
            let length = word.chars().count();
            if !first && used + 1 + length > WIDTH {
                self.text.push_str(line.trim_end());
                self.text.push('\n');
                line = " ".repeat(TEXT_AT);
                used = TEXT_AT;
                first = true;
            }
            if !first {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += length;
            first = false;
        }
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_folded_beside_its_label() {
        let mut lines = Lines::default();
        lines.row("label", &"word ".repeat(40));
        let text = lines.finish();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.starts_with("  label        word word"));
        assert!(text.lines().skip(1).all(|line| line.starts_with("               word")), "{text}");
        assert_eq!(text.matches("word").count(), 40);
    }

    #[test]
    fn gaps_do_not_add_up() {
        let mut lines = Lines::default();
        lines.heading("a");
        lines.gap();
        lines.gap();
        lines.heading("b");
        assert_eq!(lines.finish(), "a\n\nb\n");
    }
}
