//! The names of a dependency that a crate may not use.

use crate::source::{Offence, Source};
use crate::{has_word, hold};

/// The names that the files of a folder may not use; its tests may.
const HIDDEN: [(&str, &str); 3] = [
    ("cli/report/src/", "uringbench_core::plan"),
    ("cli/report/src/", "uringbench_core::record"),
    ("cli/report/src/", "uringbench_core::slo"),
];

#[test]
fn pages_are_made_of_documents_alone() {
    let bad = [
        ("cli/report/src/x.rs", "use uringbench_core::record::RunRecord;"),
        ("cli/report/src/text/y.rs", "fn f(plan: &uringbench_core::plan::Plan) {}"),
    ];
    let good = [
        ("cli/report/src/x.rs", "use uringbench_core::outcome::Outcome;"),
        ("cli/report/src/x/tests.rs", "use uringbench_core::record::RunRecord;"),
        ("cli/document/src/x.rs", "use uringbench_core::record::RunRecord;"),
    ];
    hold(hidden, &bad, &good);
}

fn hidden(source: &Source) -> Vec<Offence> {
    if source.path.ends_with("tests.rs") {
        return Vec::new();
    }
    source.offences(|line| {
        let found = HIDDEN
            .iter()
            .find(|(folder, path)| source.path.starts_with(folder) && has_word(&line.code, path));
        found.map(|(_, path)| format!("`{path}`: take it from the document"))
    })
}
