//! Flame graphs as SVG: zoomable, searchable, the same bytes for the same lines.
//!
//! inferno computes and writes the layout; this file adds a colour for each kind of frame, a
//! legend, weights per request for differences, and an image with a text if there is nothing to
//! draw. `fold` chooses the stacks, `files` the folder.

use std::collections::BTreeMap;
use std::io::{self, Write};

use inferno::flamegraph::color::{BackgroundColor, Color, PaletteMap};
use inferno::flamegraph::{Options, TextTruncateDirection, from_lines};

use super::fold::unfold;

/// The texts around a flame graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlameOptions {
    /// What it is of.
    pub title: String,
    /// How it was taken, one line of at most about 110 characters; may be empty.
    pub subtitle: String,
    /// The unit of the weights.
    pub unit: FlameUnit,
    /// A comment in the file that is not shown.
    pub notes: String,
}

/// The unit of folded lines' weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlameUnit {
    /// Nanoseconds, on a CPU or off it; shown as µs.
    #[default]
    Time,
    /// Bytes.
    Bytes,
    /// Samples.
    Samples,
}

/// Which of two profiles gives the widths of a difference. A function in one profile alone has no
/// width in the other one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The profile after: it has new functions, not vanished ones.
    Grown,
    /// The profile before: it has vanished functions, not new ones.
    Vanished,
}

/// Folded lines of one side of a difference, and its requests to divide by.
#[derive(Clone, Copy, Debug)]
pub struct FoldedSide<'a> {
    /// The lines.
    pub lines: &'a [String],
    /// Requests completed while they were sampled.
    pub requests: u64,
}

/// Frames narrower than this, in per cent of the whole, are left out: a tenth of a pixel.
const WIDTH_MIN: f64 = 0.01;
/// Weights of a difference are integers; per this many requests the smallest still has digits.
const REQUESTS_UNIT: u64 = 1_000;

/// Entries of the legend with their colours; those without a colour are remarks.
type Legend<'a> = [(&'a str, Option<Color>)];

const KERNEL: Color = color(242, 148, 50);
const NATIVE: Color = color(234, 96, 72);
const MANAGED: Color = color(96, 190, 96);
const MARKER: Color = color(200, 200, 200);
/// The ends and the middle of inferno's colour scale of differences.
const MORE: Color = color(255, 100, 100);
const LESS: Color = color(100, 100, 255);
const EQUAL: Color = color(250, 250, 250);

const fn color(r: u8, g: u8, b: u8) -> Color {
    Color { r, g, b }
}

/// Draw folded lines. Frames with the suffix `_[k]` get the colour of the kernel, `_[j]` and `_[i]`
/// those of code made at run time and of interpreters; the suffixes are not shown.
///
/// # Errors
/// If `out` cannot be written.
pub fn write_svg(lines: &[String], options: &FlameOptions, out: &mut dyn Write) -> io::Result<()> {
    if !lines.iter().any(|line| unfold(line).is_some_and(|(_, weight)| weight > 0)) {
        return write_words(options, "No samples: there is nothing to draw.", out);
    }
    let mut palette = palette(lines);
    let mut drawn = drawing(options);
    (drawn.count_name, drawn.factor) = match options.unit {
        FlameUnit::Time => ("µs".into(), 1e-3),
        FlameUnit::Bytes => ("bytes".into(), 1.0),
        FlameUnit::Samples => ("samples".into(), 1.0),
    };
    drawn.palette_map = Some(&mut palette);
    let legend =
        [("native", Some(NATIVE)), ("kernel", Some(KERNEL)), ("interpreted or JIT", Some(MANAGED))];
    draw(&mut drawn, lines, &legend, out)
}

/// Draw how the weights per request differ. Widths are those of the side named by `direction`; in
/// both, increases are red and decreases blue.
///
/// # Errors
/// If `out` cannot be written.
pub fn write_difference_svg(
    before: FoldedSide<'_>,
    after: FoldedSide<'_>,
    direction: Direction,
    options: &FlameOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    if before.requests == 0 || after.requests == 0 {
        let why = "No request was completed on one side: there is nothing to compare.";
        return write_words(options, why, out);
    }
    let mut stacks: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (stack, weight) in before.per_request() {
        stacks.entry(stack).or_default().0 += weight;
    }
    for (stack, weight) in after.per_request() {
        stacks.entry(stack).or_default().1 += weight;
    }
    // The second weight is the width.
    let lines: Vec<_> = stacks
        .into_iter()
        .map(|(stack, (before, after))| match direction {
            Direction::Grown => format!("{stack} {before} {after}"),
            Direction::Vanished => format!("{stack} {after} {before}"),
        })
        .collect();
    if lines.iter().all(|line| line.ends_with(" 0")) {
        return write_words(options, "No samples on this side: there is nothing to draw.", out);
    }
    let mut drawn = drawing(options);
    let unit = match options.unit {
        FlameUnit::Time => "ns",
        FlameUnit::Bytes => "bytes",
        FlameUnit::Samples => "samples",
    };
    // Without a factor: inferno would not apply it to the difference.
    drawn.count_name = format!("{unit} per 1,000 requests");
    // Darker than an unchanged frame.
    drawn.bgcolors = Some(BackgroundColor::Flat(color(222, 225, 229)));
    drawn.negate_differentials = direction == Direction::Vanished;
    let widths = match direction {
        Direction::Grown => "widths: after",
        Direction::Vanished => "widths: before",
    };
    let legend = [
        ("more per request than before", Some(MORE)),
        ("less", Some(LESS)),
        ("as much", Some(EQUAL)),
        (widths, None),
    ];
    draw(&mut drawn, &lines, &legend, out)
}

impl<'a> FoldedSide<'a> {
    fn per_request(self) -> impl Iterator<Item = (&'a str, u64)> {
        let requests = u128::from(self.requests);
        self.lines.iter().filter_map(|line| unfold(line)).map(move |(stack, weight)| {
            let scaled = u128::from(weight) * u128::from(REQUESTS_UNIT) + requests / 2;
            (stack, (scaled / requests) as u64)
        })
    }
}

fn drawing(options: &FlameOptions) -> Options<'static> {
    let mut drawn = Options::default();
    drawn.title.clone_from(&options.title);
    // Always a line, as the legend stands in it too.
    drawn.subtitle = Some(options.subtitle.clone());
    // Two hyphens would end the XML comment that the notes stand in.
    drawn.notes = options.notes.replace("--", "- -").replace("--", "- -");
    drawn.bgcolors = Some(BackgroundColor::Flat(color(252, 252, 250)));
    drawn.deterministic = true;
    drawn.min_width = WIDTH_MIN;
    drawn.text_truncate_direction = TextTruncateDirection::Right;
    drawn.name_type = "Function:".into();
    drawn
}

/// Have inferno draw, and put the legend before the frames.
fn draw(
    options: &mut Options<'_>,
    lines: &[String],
    legend: &Legend<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut image = Vec::new();
    from_lines(options, lines.iter().map(String::as_str), &mut image)?;
    let frames = b"<svg id=\"frames\"";
    let at = image.windows(frames.len()).position(|bytes| bytes == frames).unwrap_or(image.len());
    let (head, rest) = image.split_at(at);
    out.write_all(head)?;
    if !rest.is_empty() {
        write_legend(legend, out)?;
    }
    out.write_all(rest)?;
    out.flush()
}

/// One row of small print between the subtitle and the highest frame there can be.
fn write_legend(legend: &Legend<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut x = 10;
    for (text, color) in legend {
        if let Some(Color { r, g, b }) = color {
            let fill = format!("rgb({r},{g},{b})");
            write!(out, "<rect x=\"{x}\" y=\"51\" width=\"8\" height=\"8\" fill=\"{fill}\"/>")?;
            x += 11;
        }
        write!(out, "<text x=\"{x}\" y=\"58.5\" style=\"font-size:10px\">{text}</text>")?;
        x += 6 * text.chars().count() + if text.is_empty() { 0 } else { 12 };
    }
    Ok(())
}

/// A colour for every frame: its kind's, a little lighter or darker by its name, so that neighbours
/// can be distinguished and a function looks the same in every graph.
fn palette(lines: &[String]) -> PaletteMap {
    let mut palette = PaletteMap::default();
    let stacks = lines.iter().filter_map(|line| unfold(line));
    for frame in stacks.flat_map(|(stack, _)| stack.split(';')).chain([""]) {
        if palette.get(frame).is_none() {
            palette.insert(frame, color_of(frame));
        }
    }
    palette
}

fn color_of(frame: &str) -> Color {
    let suffix = frame.len().checked_sub(4).and_then(|at| frame.get(at..));
    match suffix {
        Some("_[k]") => shaded(KERNEL, frame),
        Some("_[i]" | "_[j]") => shaded(MANAGED, frame),
        // The root, and markers such as `[truncated]`.
        _ if frame.is_empty() || frame.starts_with('[') && frame.ends_with(']') => MARKER,
        _ => shaded(NATIVE, frame),
    }
}

fn shaded(base: Color, name: &str) -> Color {
    let shade = |channel: u8| channel.saturating_sub(16) + ((hash(name) >> 32) % 32) as u8 / 2;
    Color { r: shade(base.r), g: shade(base.g), b: shade(base.b) }
}

/// FNV-1a, which gives the same colours on every machine and for every release of Rust.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// An image with a text that says why there is no graph.
fn write_words(options: &FlameOptions, words: &str, out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        "<?xml version=\"1.0\" standalone=\"no\"?>\n\
         <svg version=\"1.1\" width=\"1200\" height=\"120\" viewBox=\"0 0 1200 120\" \
         xmlns=\"http://www.w3.org/2000/svg\" font-family=\"monospace\" font-size=\"12\" \
         text-anchor=\"middle\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"rgb(252,252,250)\"/>\n\
         <text x=\"600\" y=\"24\" font-size=\"17\">{}</text>\n\
         <text x=\"600\" y=\"48\">{}</text>\n\
         <text x=\"600\" y=\"84\">{}</text>\n\
         </svg>\n",
        escaped(&options.title),
        escaped(&options.subtitle),
        escaped(words)
    )?;
    out.flush()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
