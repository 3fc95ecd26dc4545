//! Errors of a server: what their fields say, and what helps.

use std::fmt;

use crate::answer_code::{AnswerCode, CodeWord};

/// Bytes of an error's fields that are kept: severity, code and message are the first.
pub(super) const FIELDS_KEPT: usize = 1 << 10;
/// The code of an error whose own is that of a success.
const INTERNAL: &[u8] = b"XX000";
/// The longest message that is shown, in bytes.
const SHOWN_MAX: usize = 200;

/// An error of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerRefusal {
    /// Its SQLSTATE, which is that of an error.
    pub code: AnswerCode,
    /// Whether the server ends the connection with it.
    pub is_fatal: bool,
    /// Its message, in the server's language, printable and in one line.
    pub message: String,
}

impl ServerRefusal {
    /// The error with these fields; `None` if they are not those of one.
    pub fn read(fields: &[u8]) -> Option<Self> {
        let mut code = None;
        let mut message = String::new();
        let mut severities = [None; 2];
        for field in fields.split(|byte| *byte == 0) {
            let Some((kind, value)) = field.split_first() else { break };
            match kind {
                // Translated, and not.
                b'S' => severities[1] = Some(value),
                b'V' => severities[0] = Some(value),
                b'C' => code = Some(AnswerCode::sql_state(value)?),
                b'M' => message = shown(value),
                _ => {}
            }
        }
        let severity = severities.into_iter().flatten().next();
        let code = code?;
        Some(Self {
            // An error is one whatever the class of its code says, which users may choose.
            code: if code.is_error() { code } else { AnswerCode::sql_state(INTERNAL)? },
            is_fatal: matches!(severity, Some(b"FATAL" | b"PANIC")),
            message,
        })
    }

    /// What helps, if it is known: as the end of a line.
    pub fn fix(&self) -> &'static str {
        let CodeWord::SqlState(state) = self.code.word() else { return "" };
        match &state {
            b"53300" => ": lower -c, or raise the server's max_connections",
            b"28P01" => ": check the user and the password in the URL",
            b"28000" => ": check the user in the URL, and the server's pg_hba.conf",
            b"3D000" => ": check the database behind the URL's `/`, or make it with createdb",
            b"57P01" => ": the server is shutting down, or someone ended its process",
            b"57P02" => ": a process of the server has crashed: look into its log",
            b"57P03" => ": it is starting, recovering or shutting down: wait for pg_isready",
            b"57014" => ": look at statement_timeout, and at who cancels",
            b"42P01" if self.message.contains("pgbench_") => {
                ": make pgbench's tables with `pgbench -i -s N`"
            }
            b"42P01" => ": check the table's name, and the database behind the URL's `/`",
            b"26000" | b"42P05" => {
                ": a pooler between may not keep prepared statements; use -M extended"
            }
            b"42P18" => ": give the parameter a type, as in {{int 1 9}}::int",
            _ => "",
        }
    }
}

impl fmt::Display for ServerRefusal {
    /// Code, message and fix in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.code, self.message, self.fix())
    }
}

/// A message as one printable line.
fn shown(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let mut shown = String::new();
    for letter in text.chars() {
        if shown.len() > SHOWN_MAX {
            shown.push('…');
            break;
        }
        match letter {
            '\n' | '\t' => shown.push(' '),
            letter if letter.is_control() => {}
            letter => shown.push(letter),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &str) -> Option<ServerRefusal> {
        ServerRefusal::read(fields.as_bytes())
    }

    #[test]
    fn fields_are_read_in_any_order_and_language() {
        let error = read("SFEHLER\0VERROR\0C42P01\0Mrelation \"x\" does not exist\0P15\0\0");
        let error = error.expect("an error");
        assert!(!error.is_fatal && error.code.is_error());
        assert_eq!(
            error.to_string(),
            "SQLSTATE 42P01: relation \"x\" does not exist: check the table's name, and the \
             database behind the URL's `/`"
        );
        let fatal = read("SFATAL\0C53300\0Msorry, too many clients already\0\0").expect("an error");
        assert!(fatal.is_fatal && fatal.to_string().ends_with("max_connections"));
        assert!(read("SSTERBEND\0VFATAL\0C57P01\0Mx\0\0").expect("an error").is_fatal);
        let table = read("SERROR\0C42P01\0Mrelation \"pgbench_accounts\" does not exist\0\0");
        assert!(table.expect("an error").to_string().ends_with("`pgbench -i -s N`"));
        // A chosen code of the class of successes.
        let odd = read("SERROR\0C00000\0Mx\0\0").expect("an error");
        assert_eq!(odd.code.to_string(), "SQLSTATE XX000");
    }

    #[test]
    fn what_is_no_error_is_none_and_messages_are_one_short_line() {
        for fields in ["", "\0", "SERROR\0Mx\0\0", "C4200\0\0", "C42p01\0\0"] {
            assert_eq!(read(fields), None, "{fields:?}");
        }
        let long = format!("CXX000\0Ma\nb\x1b[0m{}\0", "é".repeat(500));
        let message = read(&long).expect("an error").message;
        assert!(message.starts_with("a b[0mé") && message.ends_with('…'), "{message}");
        assert!(message.len() < SHOWN_MAX + 8);
    }
}
