//! Text from outside in Markdown.

/// One line without meaning in Markdown, HTML or to GitHub.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // As entities: a backslash does not stop a mention or a reference.
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(letter);
            }
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    // An address is shown, not linked.
    out.replace("://", "&#58;//")
}
