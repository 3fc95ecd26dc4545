//! Folded lines: a view as text, one stack per line, `root;caller;leaf WEIGHT`.
//!
//! Flame-graph tools exchange this form. Special characters in names are replaced, so that a line
//! can be read in one way only. `flame` chooses colours by the kind of a frame, which it reads from
//! the suffixes that flame-graph tools know.

use std::collections::BTreeMap;

use super::{Profile, View};
use crate::stack::{FrameId, FrameKind, FrameName, StackId};

/// The name of a frame without one.
const UNNAMED: &str = "[unknown]";
/// The name of a stack without frames.
const NO_STACK: &str = "[no stack]";

impl View {
    /// The view as folded lines of plain function names, sorted.
    pub fn folded(&self, profile: &Profile) -> Vec<String> {
        let mut lines = Lines::default();
        lines.add(profile, self, Wording::Plain, |_| None);
        lines.into_vec()
    }

    /// The view as folded lines for [`write_svg`](super::write_svg), sorted: interpreted
    /// functions with their file, kinds as suffixes that are not shown.
    pub fn flame_lines(&self, profile: &Profile) -> Vec<String> {
        let mut lines = Lines::default();
        lines.add(profile, self, Wording::Flame, |_| None);
        lines.into_vec()
    }
}

/// The form of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wording {
    /// The function alone.
    Plain,
    /// What a flame graph needs.
    Flame,
}

/// Stacks as text, with equal ones merged.
#[derive(Debug, Default)]
pub(super) struct Lines(BTreeMap<String, u64>);

impl Lines {
    /// Add a view's stacks, each below the frame given by `root`.
    pub(super) fn add(
        &mut self,
        profile: &Profile,
        view: &View,
        wording: Wording,
        root: impl Fn(StackId) -> Option<&'static str>,
    ) {
        let words: Vec<String> = (0..profile.stacks.locations().len() as u32)
            .map(|frame| word(profile.name(FrameId(frame)), wording))
            .collect();
        for (&stack, &weight) in &view.weights {
            let frames = profile.stacks.root_first(stack);
            let words = frames.iter().map(|frame| &*words[frame.0 as usize]);
            let mut line: Vec<&str> = root(stack).into_iter().chain(words).collect();
            if frames.is_empty() {
                line.push(NO_STACK);
            }
            *self.0.entry(line.join(";")).or_default() += weight;
        }
    }

    /// The lines with their weights, sorted by stack.
    pub(super) fn into_vec(self) -> Vec<String> {
        self.0.into_iter().map(|(stack, weight)| format!("{stack} {weight}")).collect()
    }
}

fn word(name: &FrameName, wording: Wording) -> String {
    let function = plain(&name.function);
    if wording == Wording::Plain {
        return function;
    }
    match name.kind {
        FrameKind::Kernel => function + "_[k]",
        FrameKind::Jit => function + "_[j]",
        FrameKind::Interpreted if name.module.is_empty() => function + "_[i]",
        FrameKind::Interpreted => {
            let file = format!("({})", plain(&name.module));
            if function.ends_with(&file) {
                return function + "_[i]";
            }
            format!("{function} {file}_[i]")
        }
        FrameKind::Native | FrameKind::Marker => function,
    }
}

/// A name without ambiguity in a line, and valid in an SVG: no `;`, no control characters (XML
/// cannot contain them), no number at its end that looks like a weight, no `# ` at its start that
/// looks like a comment.
fn plain(name: &str) -> String {
    let text: String = name
        .chars()
        .map(|character| match character {
            ';' => ':',
            '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
            character if character.is_control() => ' ',
            character => character,
        })
        .collect();
    let mut text = text.trim().to_owned();
    if text.is_empty() {
        return UNNAMED.into();
    }
    if text.starts_with("# ") {
        text.replace_range(1..2, "_");
    }
    if let Some(space) = text.rfind(' ') {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        if text[space + 1..].chars().all(is_number) {
            text.replace_range(space..=space, "_");
        }
    }
    text
}

/// A folded line's stack and weight; `None` for a line that is not one.
pub(super) fn unfold(line: &str) -> Option<(&str, u64)> {
    let (stack, weight) = line.rsplit_once(' ')?;
    Some((stack, weight.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::profile::{Selection, fixture};
    use crate::sample::SampleKind;

    #[test]
    fn lines_run_from_the_root_to_the_leaf_and_equal_ones_are_one() {
        let profile = fixture::profile(&[
            (1, SampleKind::Cpu, "main!app;serve!app#1;write!libc.so.6;tcp_sendmsg_[k]", 7),
            (2, SampleKind::Cpu, "main!app;serve!app#2;write!libc.so.6;tcp_sendmsg_[k]", 5),
            (3, SampleKind::Cpu, "main!app;handler_[i]!app.py", 1),
            (4, SampleKind::Cpu, "main!app", 2),
            (5, SampleKind::Cpu, "[truncated];compiled_[j]", 3),
            (6, SampleKind::Cpu, "", 4),
        ]);
        let view = profile.cut(&Selection::of([SampleKind::Cpu])).unwrap();
        assert_eq!(
            view.folded(&profile),
            [
                "[no stack] 4",
                "[truncated];compiled 3",
                "main 2",
                "main;handler 1",
                "main;serve;write;tcp_sendmsg 12",
            ]
        );
        assert_eq!(
            view.flame_lines(&profile),
            [
                "[no stack] 4",
                "[truncated];compiled_[j] 3",
                "main 2",
                "main;handler (app.py)_[i] 1",
                "main;serve;write;tcp_sendmsg_[k] 12",
            ]
        );
    }

    #[test]
    fn a_name_cannot_break_its_line() {
        let names = [
            ("<[u8; 8] as Foo>::bar", "<[u8: 8] as Foo>::bar"),
            ("two\nlines\tand a bell\u{7}", "two lines and a bell"),
            ("\u{1}", "[unknown]"),
            ("operator new 12", "operator new_12"),
            ("frame 1.5", "frame_1.5"),
            ("# define", "#_define"),
            ("  ", "[unknown]"),
            ("", "[unknown]"),
            ("fn@4a10", "fn@4a10"),
        ];
        for (name, expected) in names {
            assert_eq!(plain(name), expected);
        }
        let twice = FrameName {
            function: "handler (app.py)".into(),
            module: "app.py".into(),
            kind: FrameKind::Interpreted,
        };
        assert_eq!(word(&twice, Wording::Flame), "handler (app.py)_[i]");
    }

    proptest! {
        #[test]
        fn the_lines_sum_up_to_the_total_whatever_the_names(
            stacks in prop::collection::vec(
                (prop::collection::vec("[ -~\n\t;µ]{0,6}", 0..5), 0..1_000_000u64), 0..40
            )
        ) {
            let stacks: Vec<_> =
                stacks.into_iter().map(|(names, weight)| (names.join(";"), weight)).collect();
            let samples: Vec<_> = stacks
                .iter()
                .map(|(stack, weight)| (1, SampleKind::Cpu, &**stack, *weight))
                .collect();
            let profile = fixture::profile(&samples);
            let view = profile.cut(&Selection::of([SampleKind::Cpu])).unwrap();
            prop_assert_eq!(view.samples, samples.len() as u64);
            for lines in [view.folded(&profile), view.flame_lines(&profile)] {
                let sum: u64 = lines.iter().map(|line| unfold(line).unwrap().1).sum();
                prop_assert_eq!(sum, view.total);
                prop_assert!(lines.iter().all(|line| !line.contains('\n')));
                let total = samples.iter().map(|sample| sample.3).sum::<u64>();
                prop_assert_eq!(total, view.total);
            }
        }
    }
}
