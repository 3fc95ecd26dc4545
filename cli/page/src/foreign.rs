//! Texts from outside: names, addresses, messages. They are shown as they are, but can neither
//! change the page nor the direction of the text around them, nor fill the page.

use std::borrow::Cow;

use maud::{Escaper, Render};
use std::fmt::Write as _;

/// Letters shown of a text.
const SHOWN_MAX: usize = 300;

/// A text from outside, for an element's content or an attribute's value.
pub(crate) struct Foreign<'a>(pub(crate) &'a str);

impl Render for Foreign<'_> {
    fn render_to(&self, to: &mut String) {
        // Writing to a string cannot fail.
        let _ = Escaper::new(to).write_str(&safe(self.0));
    }
}

/// The text without control characters and marks of direction, and not longer than what is read.
pub(crate) fn safe(text: &str) -> Cow<'_, str> {
    let is_long = text.len() > SHOWN_MAX && text.chars().count() > SHOWN_MAX;
    if !is_long && !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let shown: String = text
        .chars()
        .take(SHOWN_MAX)
        .map(|letter| if is_hidden(letter) { char::REPLACEMENT_CHARACTER } else { letter })
        .collect();
    match is_long {
        true => Cow::Owned(format!("{shown}… ({} letters)", text.chars().count())),
        false => Cow::Owned(shown),
    }
}

/// A control character, or a mark that turns the direction of text or breaks a line.
fn is_hidden(letter: char) -> bool {
    let is_mark = matches!(
        letter,
        '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
    );
    letter.is_control() && !matches!(letter, '\n' | '\t') || is_mark
}

#[cfg(test)]
mod tests {
    use super::*;
    use maud::html;

    #[test]
    fn a_text_can_neither_be_markup_nor_turn_the_page() {
        let page =
            html! { p title=(Foreign("a\"b'<i>")) { (Foreign("</p><script>&\u{202e}x\0")) } };
        assert_eq!(
            page.into_string(),
            "<p title=\"a&quot;b'&lt;i&gt;\">&lt;/p&gt;&lt;script&gt;&amp;\u{fffd}x\u{fffd}</p>"
        );
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let long = "ü".repeat(10_240);
        let shown = safe(&long);
        assert!(shown.ends_with("… (10240 letters)") && shown.chars().count() < 330, "{shown}");
        assert_eq!(safe("short"), "short");
    }
}
