//! Patterns of names: `*` stands for any letters, `?` for one.

/// Whether a word is a pattern and not one name.
pub(super) fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?'])
}

/// Whether the pattern describes the whole text.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<_>, Vec<_>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    // Where to go on if the last `*` must stand for one letter more.
    let mut retry = None;
    while read < text.len() {
        match pattern.get(at) {
            Some('*') => {
                retry = Some((at, read));
                at += 1;
            }
            Some(&letter) if letter == '?' || letter == text[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((star, from)) = retry else { return false };
                retry = Some((star, from + 1));
                (at, read) = (star + 1, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

/// The same for SQLite's GLOB, which gives `[` a meaning too.
pub(super) fn to_glob(pattern: &str) -> String {
    pattern.replace('[', "[[]")
}

/// The same for LIKE with `\` before letters that stand for themselves.
pub(super) fn to_like(pattern: &str) -> String {
    let escaped = pattern.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    escaped.replace('*', "%").replace('?', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_describes_whole_names() {
        let cases = [
            ("web", "web", true),
            ("web", "webs", false),
            ("web*", "web", true),
            ("*b*", "abc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b", "xaybzb", true),
            ("*a*b", "xaybzc", false),
            ("results/*/GET/2026*", "results/h_80/GET/20261121T123146Z", true),
            ("*", "", true),
            ("?", "ä", true),
            ("", "", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        assert!(is_pattern("a*") && is_pattern("?") && !is_pattern("a[b]"));
    }

    #[test]
    fn databases_read_patterns_alike() {
        assert_eq!(to_glob("a[b]*"), "a[[]b]*");
        assert_eq!(to_like("50%_*?\\"), "50\\%\\_%_\\\\");
    }
}
