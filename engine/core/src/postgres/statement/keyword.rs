//! What a statement does to the transaction around it, as far as its first words show.

/// The effect of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It has none.
    None,
    /// There is no statement: only blanks and comments.
    Nothing,
    /// It begins a transaction block.
    Begins,
    /// It ends one.
    Closes,
    /// It is not sent, since its answer is of another kind.
    Refused(&'static str),
}

/// The effect of a statement.
pub(super) fn effect(sql: &str) -> Effect {
    let mut words = words(sql);
    let first = words.next().unwrap_or_default().to_ascii_uppercase();
    let second = words.next().unwrap_or_default().to_ascii_uppercase();
    let mut has =
        |word: &str| second == word || words.by_ref().any(|it| it.eq_ignore_ascii_case(word));
    match first.as_str() {
        "" if is_blank(sql) => Effect::Nothing,
        "BEGIN" => Effect::Begins,
        "START" if second == "TRANSACTION" => Effect::Begins,
        "PREPARE" if second == "TRANSACTION" => Effect::Closes,
        // To a savepoint within it.
        "ROLLBACK" if has("TO") => Effect::None,
        "COMMIT" | "ROLLBACK" if second == "PREPARED" => Effect::None,
        "COMMIT" | "END" | "ROLLBACK" | "ABORT" if is_chained(sql) => Effect::Begins,
        "COMMIT" | "END" | "ROLLBACK" | "ABORT" => Effect::Closes,
        "COPY" => Effect::Refused("COPY"),
        _ => Effect::None,
    }
}

/// Whether the end of a block begins the next one.
fn is_chained(sql: &str) -> bool {
    let words: Vec<String> = words(sql).map(str::to_ascii_uppercase).collect();
    words.ends_with(&["AND".to_owned(), "CHAIN".to_owned()])
}

/// The words at the beginning, without comments: up to the first letter that belongs to none.
fn words(sql: &str) -> impl Iterator<Item = &str> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        rest = without_blanks(rest);
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
        rest = behind;
        (!word.is_empty()).then_some(word)
    })
}

fn is_blank(sql: &str) -> bool {
    without_blanks(sql).trim_start_matches(';').is_empty()
}

/// The text behind blanks and comments.
fn without_blanks(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    loop {
        rest = if let Some(comment) = rest.strip_prefix("--") {
            comment.find('\n').map_or("", |end| &comment[end..])
        } else if let Some(comment) = rest.strip_prefix("/*") {
            behind_comment(comment)
        } else {
            return rest;
        };
        rest = rest.trim_start();
    }
}

/// The text behind a comment that may have others in it.
fn behind_comment(text: &str) -> &str {
    let mut depth = 1;
    let mut rest = text;
    while depth > 0 {
        let Some(at) = rest.find(['*', '/']) else { return "" };
        rest = &rest[at..];
        let (change, length) = match rest.as_bytes() {
            [b'*', b'/', ..] => (-1, 2),
            [b'/', b'*', ..] => (1, 2),
            _ => (0, 1),
        };
        depth += change;
        rest = &rest[length..];
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_begin_and_end_by_their_first_words() {
        for (sql, expected) in [
            ("SELECT 1", Effect::None),
            ("begin", Effect::Begins),
            ("BEGIN ISOLATION LEVEL SERIALIZABLE", Effect::Begins),
            ("/* a /* b */ c */ -- d\n Start  transaction", Effect::Begins),
            ("START_REPLICATION", Effect::None),
            ("End", Effect::Closes),
            ("COMMIT AND NO CHAIN", Effect::Closes),
            ("commit and chain", Effect::Begins),
            ("rollback work", Effect::Closes),
            ("ROLLBACK TO SAVEPOINT a", Effect::None),
            ("ROLLBACK WORK TO a", Effect::None),
            ("COMMIT PREPARED 'a'", Effect::None),
            ("PREPARE TRANSACTION 'a'", Effect::Closes),
            ("PREPARE p AS SELECT 1", Effect::None),
            ("abort", Effect::Closes),
            ("COPY t TO STDOUT", Effect::Refused("COPY")),
            ("", Effect::Nothing),
            (" -- only this", Effect::Nothing),
            ("/* never closed", Effect::Nothing),
            (";", Effect::Nothing),
            ("(SELECT 1)", Effect::None),
        ] {
            assert_eq!(effect(sql), expected, "{sql}");
        }
    }
}
