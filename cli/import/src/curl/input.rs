//! The inputs of a command other than its words: files and its stdin.

use crate::template::{self, plain};
use crate::{ImportError, Read};

use super::shell::Stdin;

/// The inputs of a command.
pub(super) struct Input<'a> {
    pub(super) read: Read<'a>,
    pub(super) stdin: Stdin,
}

/// The name of a file, which may not contain a variable.
pub(super) fn name(file: &str) -> Result<String, ImportError> {
    template::constant(file).ok_or_else(|| {
        let file = crate::shown(file);
        ImportError::new(format!("@{file}: a variable cannot stand in it: write the file's name"))
    })
}

impl Input<'_> {
    /// The bytes of a file that the command names.
    pub(super) fn bytes(&self, file: &str, option: &str) -> Result<Vec<u8>, ImportError> {
        (self.read)(&name(file)?).map_err(|why| ImportError(format!("{option}: {why}")))
    }

    /// The text of a file, escaped so that it means itself.
    pub(super) fn text(&self, file: &str, option: &str) -> Result<String, ImportError> {
        String::from_utf8(self.bytes(file, option)?).map_err(|_| {
            let file = crate::shown(file);
            let advice = match option {
                "-F" => format!("send it as a file, by name=@{file}"),
                "-H" => "write headers in ASCII into it".to_owned(),
                _ => format!("send it alone, by --data-binary @{file}"),
            };
            ImportError::new(format!("{option}: {file} is not UTF-8 text: {advice}"))
        })
    }

    /// The text of a file, or of stdin if its name is `-`, in the scenario's syntax.
    pub(super) fn text_of(&self, file: &str, option: &str) -> Result<String, ImportError> {
        self.stdin(file, option).unwrap_or_else(|| Ok(plain(&self.text(file, option)?)))
    }

    /// The content of stdin in the scenario's syntax, if `file` names stdin.
    pub(super) fn stdin(&self, file: &str, option: &str) -> Option<Result<String, ImportError>> {
        let is_stdin = file == "-" || (file == "." && option == "-T");
        let option = match option {
            "-T" => format!("-T {file}"),
            option => option.to_owned(),
        };
        is_stdin.then(|| match &self.stdin {
            Stdin::Text(text) => Ok(text.clone()),
            Stdin::File(file) => Ok(plain(&self.text(file, &option)?)),
            Stdin::Pipe(before) => Err(ImportError::new(format!(
                "{option} reads what `{}` prints, which is not run: write it into a file, and \
                 name that",
                crate::shown(before)
            ))),
            Stdin::Unknown => Err(ImportError::new(format!(
                "{option} reads stdin, which the command does not show: write what it sends, or \
                 the name of a file"
            ))),
        })
    }
}
