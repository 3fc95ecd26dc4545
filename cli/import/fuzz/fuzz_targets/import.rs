//! Imports any text with each of the importers: none panics, and every note is one line.
#![no_main]

use uringbench_import::{curl, har, hurl, log, openapi, vegeta};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((which, text)) = input.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let imported = match which % 7 {
        0 => curl::import(&text, &|_| Ok(b"a file".to_vec())),
        1 => har::import(&text, &har::HarOptions { origin: None, filter: None, has_think: true }),
        2 => openapi::import(&text, None),
        3 => vegeta::import(&text),
        4 => log::import(&text, &log::LogOptions::default()),
        5 => {
            let (format, text) = text.split_once('\n').unwrap_or((&text, ""));
            let format = Some(format.to_owned());
            log::import(text, &log::LogOptions { format, ..log::LogOptions::default() })
        }
        _ => hurl::import(&text, &[("host".to_owned(), "http://a".to_owned())]),
    };
    if let Ok(imported) = imported {
        assert!(imported.toml().starts_with("# "));
        assert!(imported.notes().iter().all(|note| !note.contains('\n')));
    }
});
