//! Properties that the parser of scenario files must have for any input.
//!
//! The fuzz target calls them with the fuzzer's input, and a test of `uringbench-scenario` with
//! damaged files. A check panics when it fails.

use uringbench_scenario::{Context, compile, show};

/// A file is a plan whose requests can all be shown, or it has mistakes, each on one line with its
/// place. Returns whether it is a plan.
pub fn scenario(text: &str) -> bool {
    let context = Context {
        target: None,
        read: &|name| match name.rsplit_once('.') {
            Some((_, "csv")) => {
                Ok(b"email,password,at,flow\na,b,0,browse\n\"c,\",d,1.5,order\n".to_vec())
            }
            Some((_, "jsonl")) => Ok(b"{\"email\":\"\xc3\xa9\"}\n".to_vec()),
            Some((_, "bin")) => Ok(b"\x00\xffzSlot00000000n".to_vec()),
            _ => Err(format!("{name} cannot be read: there is no such file")),
        },
        env: &|name| (name == "TOKEN").then(|| "zSlot00000001n".to_owned()),
        authority: &|target| match target.strip_prefix("http://") {
            Some(host) if !host.is_empty() => Ok(host.to_owned()),
            _ => Err(format!("bad URL `{target}`: write http://")),
        },
    };
    match compile(text, &context) {
        Ok(plan) => {
            let shown = show::requests(&plan, 1);
            assert!(shown.contains("=== load\n"), "{shown}");
            assert_eq!(shown, show::requests(&plan, 1), "the same seed shows the same");
            for step in plan.flows.iter().flat_map(|flow| &flow.steps) {
                let bytes = step.template.bytes();
                assert!(bytes.windows(4).any(|end| end == b"\r\n\r\n"), "{bytes:?}");
                assert!(!step.is_head() || !step.needs_body(), "{}", step.name);
            }
            true
        }
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty());
            for diagnostic in diagnostics {
                assert!(diagnostic.line > 0 && diagnostic.column > 0, "{diagnostic}");
                assert!(diagnostic.line <= text.matches('\n').count() + 1, "{diagnostic}");
                assert!(!diagnostic.to_string().contains('\n'), "{diagnostic}");
            }
            false
        }
    }
}
