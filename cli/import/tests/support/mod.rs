//! Helpers for all tests of imports: the files that inputs name, and compilation of the results.

use uringbench_import::Imported;
use uringbench_scenario::plan::CompiledScenario;
use uringbench_scenario::{Context, compile};

/// The files that inputs may name.
pub(crate) fn read(name: &str) -> Result<Vec<u8>, String> {
    match name {
        "lines.txt" => Ok(b"one\r\ntwo\n".to_vec()),
        "headers.txt" => Ok(b"X-File: yes\n".to_vec()),
        "up.png" => Ok(b"\x89PNG\r\n".to_vec()),
        "data.json" => Ok(b"{\"a\": 1}".to_vec()),
        other => Err(format!("{other} cannot be read: name a file that is there")),
    }
}

/// The plan of the imported scenario.
pub(crate) fn compiled(imported: &Imported) -> CompiledScenario {
    let text = imported.toml();
    let context = Context {
        target: None,
        read: &|name| match imported.files().iter().find(|file| file.name == name) {
            Some(file) => Ok(file.bytes.clone()),
            // The user must have the files that the input names.
            None => Ok(read(name).unwrap_or_default()),
        },
        env: &|_| Some("0".to_owned()),
        // A host may come from the environment.
        authority: &|target| match target.split_once("://").map_or(target, |(_, host)| host) {
            "" => Err("the target is empty".to_owned()),
            host => Ok(host.to_owned()),
        },
    };
    compile(&text, &context).unwrap_or_else(|diagnostics| {
        let diagnostics: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        panic!("{}\n{text}", diagnostics.join("\n"))
    })
}

/// The scenario without the comments at its top.
pub(crate) fn scenario(imported: &Imported) -> String {
    let text = imported.toml();
    text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}
