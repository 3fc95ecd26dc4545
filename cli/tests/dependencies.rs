//! The dependencies of the program: their licences, their sources, the Rust version they need, and
//! the crates that are built in two versions.
//!
//! Read from `cargo metadata`, so the test downloads only what a build needs anyway. Known
//! vulnerabilities are not checked here: their database changes daily and needs the network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// Licence expressions as crates state them. All but the last two only require that their notice is
/// kept; read a new licence before you add it here.
const LICENCES: [&str; 27] = [
    "MIT OR Apache-2.0",
    "MIT/Apache-2.0",
    "Apache-2.0 OR MIT",
    "Apache-2.0/MIT",
    "Apache-2.0 / MIT",
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 OR BSL-1.0",
    "Apache-2.0 OR BSL-1.0 OR MIT",
    "Apache-2.0 OR ISC OR MIT",
    "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
    "0BSD OR MIT OR Apache-2.0",
    "BSD-2-Clause OR Apache-2.0 OR MIT",
    "BSD-3-Clause",
    "(Apache-2.0 OR MIT) AND BSD-3-Clause",
    "MIT AND BSD-3-Clause",
    "MIT OR Zlib OR Apache-2.0",
    "Zlib OR Apache-2.0 OR MIT",
    "Zlib",
    "ISC",
    "Apache-2.0 AND ISC",
    "Unlicense OR MIT",
    "Unlicense/MIT",
    // Unicode tables, which may be used and redistributed freely.
    "Unicode-3.0",
    "(MIT OR Apache-2.0) AND Unicode-3.0",
    // inferno, which draws flame graphs. Its copyleft covers only its own files: changes to them
    // must be published; programs linked with them keep their licence.
    "CDDL-1.0",
];

/// Crates of which there are several versions: the number of versions, and the crates that need the
/// older ones.
const DUPLICATES: [(&str, usize, &str); 21] = [
    ("base64", 2, "0.23 by pem, for rcgen, which makes certificates for tests"),
    ("bitflags", 2, "1 by io-uring 0.6, see there"),
    ("block-buffer", 2, "see digest"),
    ("cpufeatures", 2, "see digest"),
    ("crypto-common", 2, "see digest"),
    ("digest", 2, "0.10 by sha1 and sha2 0.10; postgres-protocol has gone on to 0.11"),
    ("fallible-iterator", 2, "0.2 by tokio-postgres"),
    ("getrandom", 3, "0.2 by ring, 0.3 by rand 0.9"),
    ("gimli", 2, "0.33 by framehop, whose sections are its types"),
    ("io-uring", 2, "0.6 by monoio and tokio-uring, the engines to compare with"),
    ("mio", 2, "0.8 by monoio"),
    ("nom", 2, "7 by x509-parser, for rcgen in tests"),
    ("object", 2, "0.39 by the profiler"),
    ("perf-event-open-sys", 2, "6 by perf-event"),
    ("rand", 2, "0.9 by py-spy and tungstenite"),
    ("rand_core", 2, "0.9 by rand 0.9"),
    ("rustc-hash", 2, "1 by dhat, which counts allocations in tests"),
    ("sha2", 2, "0.10 by the application of `uringbench target --app`"),
    ("socket2", 3, "0.4 by tokio-uring, 0.5 by monoio"),
    ("syn", 2, "2 by prost and zerocopy, while building"),
    ("synstructure", 2, "0.13 by x509-parser, for rcgen in tests"),
];

/// Every package that a build of the workspace and its tests needs on this platform.
static PACKAGES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--filter-platform", &platform])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .expect("cargo runs: it has started this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let packages = metadata["packages"].as_array_mut().map(std::mem::take).unwrap_or_default();
    assert!(packages.len() > 100, "these are not all: {}", packages.len());
    packages
});

fn text<'a>(package: &'a Value, key: &str) -> &'a str {
    package[key].as_str().unwrap_or_default()
}

fn name(package: &Value) -> String {
    format!("{} {}", text(package, "name"), text(package, "version"))
}

#[test]
fn every_licence_is_one_that_was_read() {
    let is_new = |package: &&Value| !LICENCES.contains(&text(package, "license"));
    let new: Vec<_> = PACKAGES
        .iter()
        .filter(is_new)
        .map(|package| format!("{}: {}", name(package), package["license"]))
        .collect();
    assert!(new.is_empty(), "read these licences, then add them to LICENCES: {new:#?}");
    let taken: BTreeSet<_> = PACKAGES.iter().map(|package| text(package, "license")).collect();
    let gone: Vec<_> = LICENCES.iter().filter(|licence| !taken.contains(*licence)).collect();
    assert!(gone.is_empty(), "no crate has these licences any more: {gone:?}");
}

#[test]
fn every_crate_that_is_built_twice_has_a_reason() {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in PACKAGES.iter() {
        versions.entry(text(package, "name")).or_default().push(text(package, "version"));
    }
    versions.retain(|_, versions| versions.len() > 1);
    let known: BTreeMap<_, _> = DUPLICATES.iter().map(|&(name, count, _)| (name, count)).collect();
    let found: BTreeMap<_, _> =
        versions.iter().map(|(&name, versions)| (name, versions.len())).collect();
    assert_eq!(
        found, known,
        "`cargo tree --workspace -i NAME@VERSION` says who needs which of {versions:#?}; \
         agree on one, or say in DUPLICATES who cannot"
    );
}

#[test]
fn everything_comes_from_the_registry_and_builds_with_our_oldest_rust() {
    let ours = PACKAGES.iter().find(|package| text(package, "name") == "uringbench");
    let oldest = release(text(ours.expect("the workspace is in it"), "rust_version"));
    assert!(oldest > (1, 0), "rust-version stands in Cargo.toml");
    for package in PACKAGES.iter() {
        let source = text(package, "source");
        let is_ours = source.is_empty() && text(package, "name").starts_with("uringbench");
        let name = name(package);
        assert!(is_ours || source.starts_with("registry+"), "{name} comes from `{source}`");
        let needed = text(package, "rust_version");
        assert!(release(needed) <= oldest, "{name} needs Rust {needed}, we promise {oldest:?}");
    }
}

/// `1.88` or `1.88.0`; zero if a crate states no version.
fn release(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
