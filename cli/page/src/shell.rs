//! The frame of every page: head, policy, style, data, scripts.
//!
//! The policy allows nothing but what stands in the page itself: scripts and the style by their
//! hashes, no request of any kind. Data stand in elements that are not executed, compressed and
//! encoded in letters that mean nothing in HTML.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::foreign::Foreign;

/// Styles, in order.
const STYLES: [&str; 2] =
    [include_str!("../assets/uplot/uPlot.min.css"), include_str!("../assets/page.css")];
/// Scripts, in order: the later ones use the earlier.
const SCRIPTS: [&str; 7] = [
    include_str!("../assets/uplot/uPlot.iife.min.js"),
    include_str!("../assets/state.js"),
    include_str!("../assets/charts.js"),
    include_str!("../assets/flame.js"),
    include_str!("../assets/trees.js"),
    include_str!("../assets/steps.js"),
    include_str!("../assets/page.js"),
];

/// Scripts of a page whose only data are trees of stacks, in order.
const TREE_SCRIPTS: [&str; 4] = [
    include_str!("../assets/state.js"),
    include_str!("../assets/flame.js"),
    include_str!("../assets/trees.js"),
    include_str!("../assets/page.js"),
];
/// The name of the data that charts over time need.
pub(crate) const COURSES: &str = "data";

/// Scripts of a run in progress, in order.
const LIVE_SCRIPTS: [&str; 4] = [
    include_str!("../assets/uplot/uPlot.iife.min.js"),
    include_str!("../assets/state.js"),
    include_str!("../assets/charts.js"),
    include_str!("../assets/live.js"),
];

/// Data for the scripts: a name and its content.
pub(crate) struct Block {
    name: String,
    packed: String,
}

impl Block {
    /// Pack `data` as JSON, deflated, in base64.
    pub(crate) fn of(name: &str, data: &impl Serialize) -> Self {
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
        // Figures are plain numbers and texts, and writing to memory cannot fail.
        let json = serde_json::to_vec(data).unwrap_or_default();
        let packed = deflated.write_all(&json).and_then(|()| deflated.finish()).unwrap_or_default();
        Self { name: name.to_owned(), packed: STANDARD.encode(packed) }
    }

    /// Its length in the page.
    pub(crate) fn len(&self) -> usize {
        self.packed.len()
    }
}

/// The whole page. Without data there are no scripts: the page is its text.
pub(crate) fn page(title: &str, body: &Markup, blocks: &[Block]) -> String {
    let scripts: &[&str] = match blocks {
        [] => &[],
        blocks if blocks.iter().any(|block| block.name == COURSES) => &SCRIPTS,
        _ => &TREE_SCRIPTS,
    };
    framed(title, body, blocks, (scripts, Reach::Nothing))
}

/// The page of a run in progress: it may connect to the server that it came from.
pub(crate) fn live(title: &str, body: &Markup) -> String {
    let scripts: &[&str] = &LIVE_SCRIPTS;
    framed(title, body, &[], (scripts, Reach::Connections))
}

/// A page of a server, without scripts: its form may ask the server that it came from.
pub(crate) fn browsed(title: &str, body: &Markup) -> String {
    framed(title, body, &[], (&[], Reach::Forms))
}

/// What a page may ask of the server that it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Nothing,
    Connections,
    Forms,
}

fn framed(
    title: &str,
    body: &Markup,
    blocks: &[Block],
    (scripts, reach): (&[&str], Reach),
) -> String {
    let style = STYLES.concat();
    let policy = policy(&style, scripts, reach);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (Foreign(title)) }
                style { (PreEscaped(&style)) }
            }
            body {
                (body)
                @for block in blocks {
                    script type="application/octet-stream" id=(block.name) {
                        (PreEscaped(&block.packed))
                    }
                }
                @for script in scripts { script { (PreEscaped(script)) } }
            }
        }
    };
    page.into_string()
}

/// The last line of a page.
pub(crate) fn made() -> Markup {
    html! { p.made { "Made by uringbench. This file is complete: it needs no network." } }
}

fn policy(style: &str, scripts: &[&str], reach: Reach) -> String {
    let own = |wanted| if reach == wanted { "'self'" } else { "'none'" };
    let (connections, forms) = (own(Reach::Connections), own(Reach::Forms));
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let scripts = match scripts {
        [] => "'none'".to_owned(),
        scripts => scripts.iter().map(|script| hash(script)).collect::<Vec<_>>().join(" "),
    };
    format!(
        "default-src 'none'; script-src {scripts}; style-src {}; connect-src {connections}; \
         base-uri 'none'; form-action {forms}",
        hash(style)
    )
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// The files of the npm package uplot 1.6.32, unchanged.
    const VENDORED: [(&[u8], &str); 3] = [
        (
            include_bytes!("../assets/uplot/uPlot.iife.min.js"),
            "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
        ),
        (
            include_bytes!("../assets/uplot/uPlot.min.css"),
            "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
        ),
        (
            include_bytes!("../assets/uplot/LICENSE"),
            "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
        ),
    ];

    #[test]
    fn vendored_files_are_those_of_their_authors() {
        for (file, expected) in VENDORED {
            let hash: String = Sha256::digest(file).iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(hash, expected);
        }
    }

    /// What a script in a page may not contain: an end of the element, and ways from text to code.
    #[test]
    fn scripts_stay_in_their_elements_and_make_no_code_of_text() {
        for script in SCRIPTS.into_iter().chain(LIVE_SCRIPTS) {
            for bad in ["</script", "<!--", "eval(", "Function(", "innerHTML", "document.write"] {
                assert!(!script.contains(bad), "{bad} in {}", &script[..80]);
            }
        }
        for own in SCRIPTS[1..].iter().chain(&LIVE_SCRIPTS[3..]) {
            for bad in ["outerHTML", "insertAdjacentHTML", "XMLHttp", "http://", "https://"] {
                assert!(!own.contains(bad), "{bad} in {}", &own[..80]);
            }
            // Only a run in progress has a server to ask.
            let is_live = *own == LIVE_SCRIPTS[3];
            for bad in ["fetch(", "EventSource", "location."] {
                assert!(is_live || !own.contains(bad), "{bad} in {}", &own[..80]);
            }
            let lines = own.lines().count();
            assert!(lines <= 600, "{lines} lines: split {}", &own[..80]);
        }
        assert!(STYLES.iter().all(|style| !style.contains("</style") && !style.contains("url(")));
    }

    #[test]
    fn data_come_back_from_their_letters() {
        let data = vec!["</script><img src=x>".to_owned(), "ü".repeat(1_000)];
        let block = Block::of("data", &data);
        assert!(block.packed.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)));
        let packed = STANDARD.decode(&block.packed).expect("base64");
        let mut json = String::new();
        flate2::read::DeflateDecoder::new(&*packed).read_to_string(&mut json).expect("deflate");
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).expect("JSON"), data);
    }

    #[test]
    fn a_page_without_data_has_no_script() {
        let page = page("<t>", &html! { p { "x" } }, &[]);
        assert!(page.contains("script-src 'none'") && !page.contains("<script"), "{page}");
        assert!(page.contains("<title>&lt;t&gt;</title>"));
    }
}
