//! The opening of a connection to Redis: who logs in, in which version of RESP, to which database.
//!
//! All of it is sent at once. A server that refuses a part of it is not loaded: what would follow
//! would be refused too, or go to the wrong database.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::command;
use crate::answer_code::{AnswerCode, CodeWord};

/// The name under which connections stand in `CLIENT LIST`.
const NAME: &[u8] = b"uringbench";

/// The version of RESP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RespVersion {
    /// RESP2, which every server speaks.
    #[default]
    Resp2,
    /// RESP3, from Redis 6 on.
    Resp3,
}

/// How connections of a run are opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisLogin {
    /// The version of RESP.
    #[serde(default)]
    pub version: RespVersion,
    /// The user of an access control list; `None` for the default one.
    pub user: Option<String>,
    /// The password; `None` if none is sent.
    pub password: Option<String>,
    /// The number of the database.
    pub database: u32,
}

/// A command of the opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpeningStep {
    /// `HELLO 3`, with the login if there is one.
    Hello,
    /// `AUTH`.
    Auth,
    /// `SELECT`.
    Select,
    /// `CLIENT SETNAME`, which a server need not know.
    Name,
}

/// Why a server does not open a connection, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    step: OpeningStep,
    database: u32,
    code: AnswerCode,
    text: String,
}

impl RedisLogin {
    /// The commands, in the order in which they are answered.
    pub fn steps(&self) -> Vec<OpeningStep> {
        let is_resp3 = self.version == RespVersion::Resp3;
        let mut steps = Vec::new();
        if is_resp3 {
            steps.push(OpeningStep::Hello);
        } else if self.password.is_some() {
            steps.push(OpeningStep::Auth);
        }
        if self.database > 0 {
            steps.push(OpeningStep::Select);
        }
        steps.push(OpeningStep::Name);
        steps
    }

    /// Their bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let user = self.user.as_deref().map(str::as_bytes);
        let password = self.password.as_deref().map(str::as_bytes);
        for step in self.steps() {
            match (step, password) {
                (OpeningStep::Hello, Some(password)) => {
                    let user = user.unwrap_or(b"default");
                    command::encode(&[b"HELLO", b"3", b"AUTH", user, password], &mut out);
                }
                (OpeningStep::Hello, None) => command::encode(&[b"HELLO", b"3"], &mut out),
                (OpeningStep::Auth, _) => {
                    let words = [Some(&b"AUTH"[..]), user, password];
                    let words: Vec<_> = words.into_iter().flatten().collect();
                    command::encode(&words, &mut out);
                }
                (OpeningStep::Select, _) => {
                    let database = self.database.to_string();
                    command::encode(&[b"SELECT", database.as_bytes()], &mut out);
                }
                (OpeningStep::Name, _) => {
                    command::encode(&[b"CLIENT", b"SETNAME", NAME], &mut out);
                }
            }
        }
        out
    }

    /// Whether the reply to a step, with the text of its error, refuses the connection.
    pub fn refusal(&self, step: OpeningStep, code: AnswerCode, text: &[u8]) -> Option<Refusal> {
        if !code.is_error() {
            return None;
        }
        let text = self.without_login(&String::from_utf8_lossy(text));
        // Whoever refuses the name alone serves commands.
        let is_for_commands =
            code == AnswerCode::redis(b"NOAUTH") || is_protected(&text) || has_no_room(&text);
        let may_lack = step == OpeningStep::Name && !is_for_commands;
        (!may_lack).then_some(Refusal { step, database: self.database, code, text })
    }

    /// A server's text without what it quotes of the login: Redis repeats the arguments of a
    /// command that it does not know.
    fn without_login(&self, text: &str) -> String {
        let mut text = text.split(", with args").next().unwrap_or_default().to_owned();
        for secret in self.password.iter().chain(&self.user).filter(|it| !it.is_empty()) {
            text = text.replace(secret.as_str(), "…");
            // Long texts are cut, perhaps within it.
            let begins = secret.char_indices().map(|(at, _)| &secret[..at]).rev();
            if let Some(begin) = begins.filter(|it| it.len() > 1).find(|it| text.ends_with(it)) {
                text.truncate(text.len() - begin.len());
                text.push('…');
            }
        }
        text
    }
}

/// Protected mode: nobody but the server's own machine is served.
fn is_protected(text: &str) -> bool {
    text.starts_with("DENIED")
}

fn has_no_room(text: &str) -> bool {
    text.contains("max number of clients")
}

impl fmt::Display for Refusal {
    /// Cause and fix in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, database, code, text } = self;
        let text = text.escape_debug();
        match step {
            OpeningStep::Hello => write!(f, "the server refuses HELLO 3: `{text}`")?,
            OpeningStep::Auth => write!(f, "the server refuses AUTH: `{text}`")?,
            OpeningStep::Select => write!(f, "the server refuses SELECT {database}: `{text}`")?,
            OpeningStep::Name => write!(f, "the server refuses the connection: `{text}`")?,
        }
        let word = match code.word() {
            CodeWord::Redis(word) => word.unwrap_or_default(),
            _ => "",
        };
        f.write_str(match (word, step) {
            _ if has_no_room(&self.text) => ": lower -c, or raise the server's maxclients",
            ("NOAUTH", _) => ": give the password, as in redis://:PASSWORD@HOST",
            ("WRONGPASS", _) => ": check the user and the password in the URL",
            _ if is_protected(&self.text) => {
                ": set a password, or `protected-mode no` where nobody else can reach it"
            }
            ("NOPROTO", _) => ": it has no RESP3; leave --resp3 out",
            (_, OpeningStep::Hello) if text_is_unknown(&self.text) => {
                ": it has no RESP3, which came with Redis 6; leave --resp3 out"
            }
            (_, OpeningStep::Auth) => ": leave the password out, or check it",
            (_, OpeningStep::Select) => ": check the database number behind the URL's `/`",
            _ => "",
        })
    }
}

fn text_is_unknown(text: &str) -> bool {
    text.to_ascii_lowercase().contains("unknown command")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_sent_at_once_and_in_order() {
        let login = RedisLogin {
            user: Some("bench".to_owned()),
            password: Some("p w".to_owned()),
            database: 15,
            ..RedisLogin::default()
        };
        let sent = "*3\r\n$4\r\nAUTH\r\n$5\r\nbench\r\n$3\r\np w\r\n*2\r\n$6\r\nSELECT\r\n$2\r\n15\
                    \r\n*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$10\r\nuringbench\r\n";
        assert_eq!(String::from_utf8_lossy(&login.bytes()), sent);
        let login = RedisLogin { version: RespVersion::Resp3, user: None, database: 0, ..login };
        let sent = "*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$3\r\np w\r\n*3\
                    \r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$10\r\nuringbench\r\n";
        assert_eq!(String::from_utf8_lossy(&login.bytes()), sent);
        assert_eq!(login.steps(), [OpeningStep::Hello, OpeningStep::Name]);
        let steps = RedisLogin::default().steps();
        assert_eq!(steps, [OpeningStep::Name]);
    }

    #[test]
    fn refusals_name_their_fix() {
        let login = RedisLogin { database: 16, ..RedisLogin::default() };
        let refused = |step, text: &str| {
            let word = text.split(' ').next().unwrap_or_default();
            let code = AnswerCode::redis(word.as_bytes());
            login.refusal(step, code, text.as_bytes()).map(|why| why.to_string())
        };
        for (step, text, part) in [
            (OpeningStep::Auth, "WRONGPASS invalid", "user and the password in the URL"),
            (OpeningStep::Auth, "ERR AUTH <password> called without", "leave the password out"),
            (OpeningStep::Name, "NOAUTH Authentication required.", "redis://:PASSWORD@HOST"),
            (OpeningStep::Hello, "NOPROTO unsupported", "leave --resp3 out"),
            (OpeningStep::Hello, "ERR unknown command `HELLO`", "Redis 6"),
            (OpeningStep::Select, "ERR DB index is out of range", "SELECT 16"),
            (OpeningStep::Name, "ERR max number of clients reached", "lower -c"),
            (OpeningStep::Auth, "ERR max number of clients reached", "lower -c"),
            (OpeningStep::Name, "DENIED Redis is running in protected mode", "protected-mode no"),
            (OpeningStep::Select, "DENIED Redis is running in protected mode", "protected-mode no"),
        ] {
            let why = refused(step, text).expect(text);
            assert!(why.contains(part) && !why.contains('\n'), "{why}");
        }
        // A server may lack the name of connections, or forbid it.
        assert_eq!(refused(OpeningStep::Name, "ERR unknown command `CLIENT`"), None);
        assert_eq!(refused(OpeningStep::Name, "NOPERM this user"), None);
        assert_eq!(refused(OpeningStep::Name, "ERR unsupported command 'client'"), None);
        let ok = AnswerCode::redis_reply(crate::answer_code::RedisReply::Status);
        assert_eq!(login.refusal(OpeningStep::Auth, ok, b""), None);
    }

    #[test]
    fn what_a_server_quotes_of_the_login_is_left_out() {
        let login = RedisLogin {
            user: Some("bench".to_owned()),
            password: Some("S3cret".to_owned()),
            ..RedisLogin::default()
        };
        let code = AnswerCode::redis(b"ERR");
        for text in [
            "ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `bench`, `S3cret`",
            "ERR no command 'AUTH' with 'bench' and 'S3cret'",
            "ERR no command 'AUTH' with 'S3cre",
        ] {
            for step in [OpeningStep::Hello, OpeningStep::Auth] {
                let why = login.refusal(step, code, text.as_bytes()).expect(text).to_string();
                assert!(!why.contains("S3c") && !why.contains("bench"), "{why}");
            }
        }
    }
}
