//! Learned headers: response headers recognised by comparing bytes instead of parsing them.
//!
//! A target mostly answers with one header, in which only the values of `Date`, request ids and the
//! like change. A learned header has its bytes, and the spans that may differ. Every other byte is
//! compared, and every varying byte must be allowed in a value, so an accepted header would have
//! parsed to the same result; anything else is parsed (`head`).

use httparse::Header;

use super::deviation::Deviations;
use super::head::{Head, is_decisive};

/// Most headers kept: a page, its "not modified", an error and one more.
const SHAPES_MAX: usize = 4;

/// Longest header learned. Longer ones are rare, and comparing them displaces more cache.
const LEARNED_BYTES_MAX: usize = 4096;

/// Misses between two checks whether the cache pays off.
const WINDOW_MISSES: u32 = 1024;

/// Responses parsed without trying the cache after a window in which it did not pay off.
const PAUSE_RESPONSES: u32 = 64 * 1024;

/// The headers that one worker has learned from all of its connections.
#[derive(Clone, Debug)]
pub struct HeaderCache {
    header_cache: Vec<LearnedHeader>,
    /// The one recognised last, which is tried first.
    recent: usize,
    trying: Trying,
    hits: u64,
    misses: u64,
    /// Bytes of the latest answer, if it was recognised and read in one piece; otherwise 0.
    pub(super) whole: usize,
    /// Deviations of headers, which are not learned.
    pub(super) deviations: Deviations,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Trying {
    /// Misses left in this window, and the hits at its start.
    Window { misses_left: u32, hits_before: u64 },
    /// Too few hits; this many responses until the next window.
    Paused { responses_left: u32 },
    /// The cache is off.
    Disabled,
}

#[derive(Clone, Debug)]
struct LearnedHeader {
    is_head: bool,
    head: Head,
    bytes: Vec<u8>,
    segments: Vec<Segment>,
    values: Vec<Value>,
    /// Times recognised; halved whenever another shape is replaced.
    uses: u64,
}

/// A range of the header that is compared, or only checked for allowed bytes.
#[derive(Clone, Copy, Debug)]
struct Segment {
    start: u32,
    end: u32,
    varies: bool,
}

/// The position of the value of one header line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Value {
    start: u32,
    end: u32,
    may_vary: bool,
    varies: bool,
}

impl Default for HeaderCache {
    fn default() -> Self {
        Self::new()
    }
}

impl HeaderCache {
    /// Nothing learned yet.
    pub const fn new() -> Self {
        Self::with(Trying::Window { misses_left: WINDOW_MISSES, hits_before: 0 })
    }

    /// Never learns, so that every header is parsed.
    pub const fn disabled() -> Self {
        Self::with(Trying::Disabled)
    }

    /// Response headers recognised.
    pub const fn hits(&self) -> u64 {
        self.hits
    }

    /// Response headers parsed in full, those of interim responses not counted.
    pub const fn misses(&self) -> u64 {
        self.misses
    }

    /// The result for the header at the front of `bytes`, if it is complete and a shape fits.
    #[inline]
    pub(super) fn recognise(&mut self, bytes: &[u8], is_head: bool) -> Option<Head> {
        let shape = self.header_cache.get_mut(self.recent)?;
        if shape.fits(bytes, is_head) {
            self.hits += 1;
            shape.uses += 1;
            return Some(shape.head);
        }
        self.recognise_other(bytes, is_head)
    }

    /// How many answers behind the one at the front of `bytes` equal it byte for byte, `most` at
    /// most; 0 unless that one was recognised and is whole. `bytes` are those that the parser was
    /// fed last. Equal bytes are read equally, so each of them counts as recognised.
    #[inline]
    pub fn repeats(&mut self, bytes: &[u8], most: u16) -> u16 {
        if self.whole == 0 || self.whole > bytes.len() {
            return 0;
        }
        let (answer, behind) = bytes.split_at(self.whole);
        let alike = behind.chunks_exact(answer.len()).take_while(|next| *next == answer);
        let count = alike.take(usize::from(most)).count() as u16;
        self.hits += u64::from(count);
        if let Some(shape) = self.header_cache.get_mut(self.recent) {
            shape.uses += u64::from(count);
        }
        count
    }

    /// How many bytes the most recent shape has after `bytes`, if `bytes` is a prefix of it: at
    /// least one. `None` if it is not.
    pub(super) fn missing(&self, bytes: &[u8], is_head: bool) -> Option<usize> {
        let shape = self.header_cache.get(self.recent)?;
        let missing = shape.bytes.len().checked_sub(bytes.len()).filter(|missing| *missing > 0)?;
        shape.begins_with(bytes, is_head).then_some(missing)
    }

    /// A header was parsed: `bytes` is all of it.
    pub(super) fn learn(
        &mut self,
        bytes: &[u8],
        headers: &[Header<'_>],
        head: Head,
        is_head: bool,
    ) {
        self.misses += 1;
        if self.is_trying() && bytes.len() <= LEARNED_BYTES_MAX {
            self.learn_shape(bytes, headers, head, is_head);
        }
    }

    const fn with(trying: Trying) -> Self {
        let deviations = Deviations::new();
        Self {
            header_cache: Vec::new(),
            recent: 0,
            trying,
            hits: 0,
            misses: 0,
            whole: 0,
            deviations,
        }
    }

    /// Add the deviations since the last call to `sum`.
    pub fn drain_deviations(&mut self, sum: &mut Deviations) {
        if !self.deviations.is_empty() {
            sum.merge(&self.deviations);
            self.deviations = Deviations::new();
        }
    }

    #[cold]
    #[inline(never)]
    fn recognise_other(&mut self, bytes: &[u8], is_head: bool) -> Option<Head> {
        let found = self.header_cache.iter().position(|shape| shape.fits(bytes, is_head))?;
        self.recent = found;
        self.hits += 1;
        self.header_cache[found].uses += 1;
        Some(self.header_cache[found].head)
    }

    /// Count a miss against the window. This bounds the cost of trying: at worst one window of
    /// misses between pauses.
    fn is_trying(&mut self) -> bool {
        let hits = self.hits;
        match &mut self.trying {
            Trying::Disabled => false,
            Trying::Paused { responses_left: 0 } => {
                self.trying = Trying::Window { misses_left: WINDOW_MISSES, hits_before: hits };
                true
            }
            Trying::Paused { responses_left } => {
                *responses_left -= 1;
                false
            }
            Trying::Window { misses_left: 0, hits_before } => {
                if hits - *hits_before < u64::from(WINDOW_MISSES) {
                    self.header_cache.clear();
                    self.trying = Trying::Paused { responses_left: PAUSE_RESPONSES };
                    return false;
                }
                self.trying = Trying::Window { misses_left: WINDOW_MISSES, hits_before: hits };
                true
            }
            Trying::Window { misses_left, .. } => {
                *misses_left -= 1;
                true
            }
        }
    }

    fn learn_shape(&mut self, bytes: &[u8], headers: &[Header<'_>], head: Head, is_head: bool) {
        let values = headers.iter().map(|header| Value::of(header, bytes));
        let known = self.header_cache.iter().position(|shape| {
            (shape.head, shape.is_head) == (head, is_head)
                && shape.values.len() == headers.len()
                && shape.values.iter().zip(values.clone()).all(|(own, new)| own.is_placed_as(new))
                && shape.differs_in_values_alone(bytes)
        });
        if let Some(known) = known {
            self.header_cache[known].widen(bytes);
            self.recent = known;
            return;
        }
        let mut shape = self.vacate(head);
        shape.is_head = is_head;
        shape.bytes.extend_from_slice(bytes);
        shape.values.extend(values);
        shape.cut();
        self.recent = self.header_cache.len();
        self.header_cache.push(shape);
    }

    /// An empty shape: the storage of the least useful one if all places are taken.
    fn vacate(&mut self, head: Head) -> LearnedHeader {
        if self.header_cache.len() < SHAPES_MAX {
            return LearnedHeader::empty(head);
        }
        let uses = self.header_cache.iter().map(|shape| shape.uses).enumerate();
        let least = uses.min_by_key(|(_, uses)| *uses).map_or(0, |(index, _)| index);
        let mut shape = self.header_cache.swap_remove(least);
        for other in &mut self.header_cache {
            other.uses /= 2;
        }
        (shape.head, shape.uses) = (head, 0);
        shape.bytes.clear();
        shape.segments.clear();
        shape.values.clear();
        shape
    }
}

impl LearnedHeader {
    const fn empty(head: Head) -> Self {
        Self {
            is_head: false,
            head,
            bytes: Vec::new(),
            segments: Vec::new(),
            values: Vec::new(),
            uses: 0,
        }
    }

    #[inline]
    fn fits(&self, bytes: &[u8], is_head: bool) -> bool {
        let Some(bytes) = bytes.get(..self.bytes.len()) else { return false };
        self.is_head == is_head
            && self.segments.iter().all(|segment| segment.fits(&self.bytes, bytes))
    }

    /// `bytes` is no longer than the shape.
    fn begins_with(&self, bytes: &[u8], is_head: bool) -> bool {
        let cut = |at: u32| at.min(bytes.len() as u32);
        self.is_head == is_head
            && self.segments.iter().all(|segment| {
                Segment { start: cut(segment.start), end: cut(segment.end), ..*segment }
                    .fits(&self.bytes, bytes)
            })
    }

    /// Whether `bytes` has its values in the same places, the same names, and the same values where
    /// they affect the result.
    fn differs_in_values_alone(&self, bytes: &[u8]) -> bool {
        let mut compared = 0;
        self.bytes.len() == bytes.len()
            && self.values.iter().filter(|value| value.may_vary).all(|value| {
                let fixed = compared..value.start as usize;
                compared = value.end as usize;
                self.bytes[fixed.clone()] == bytes[fixed]
            })
            && self.bytes[compared..] == bytes[compared..]
    }

    /// Allow the values in which `bytes` differs to vary.
    fn widen(&mut self, bytes: &[u8]) {
        for value in &mut self.values {
            let span = value.start as usize..value.end as usize;
            value.varies |= value.may_vary && self.bytes[span.clone()] != bytes[span];
        }
        self.cut();
    }

    /// Cut the header into segments by the values that vary.
    fn cut(&mut self) {
        self.segments.clear();
        let mut compared = 0;
        for value in self.values.iter().filter(|value| value.varies) {
            self.segments.push(Segment { start: compared, end: value.start, varies: false });
            self.segments.push(Segment { start: value.start, end: value.end, varies: true });
            compared = value.end;
        }
        let end = self.bytes.len() as u32; // at most LEARNED_BYTES_MAX
        self.segments.push(Segment { start: compared, end, varies: false });
    }
}

impl Segment {
    #[inline]
    fn fits(&self, own: &[u8], new: &[u8]) -> bool {
        let span = self.start as usize..self.end as usize;
        if self.varies { are_plain(&new[span]) } else { own[span.clone()] == new[span] }
    }
}

impl Value {
    /// The position of the value of `header` in `bytes`, from which it was parsed.
    fn of(header: &Header<'_>, bytes: &[u8]) -> Self {
        let start = header.value.as_ptr().addr() - bytes.as_ptr().addr();
        let may_vary = !is_decisive(header.name) && !header.value.is_empty();
        Self {
            start: start as u32, // at most LEARNED_BYTES_MAX, as is the end
            end: (start + header.value.len()) as u32,
            may_vary,
            varies: may_vary && header.name.eq_ignore_ascii_case("date"),
        }
    }

    /// Whether the other value is at the same place and of the same kind.
    const fn is_placed_as(&self, other: Self) -> bool {
        self.start == other.start && self.end == other.end && self.may_vary == other.may_vary
    }
}

/// Whether all bytes are allowed anywhere in a header value: no control characters, not even the
/// tab, so that the check is one comparison per byte.
#[inline]
fn are_plain(bytes: &[u8]) -> bool {
    let (words, _) = bytes.as_chunks::<8>();
    match bytes.last_chunk::<8>() {
        // Whole words, and a last one that overlaps them.
        Some(last) => words.iter().all(|word| is_plain_word(*word)) && is_plain_word(*last),
        None => bytes.iter().all(|byte| *byte >= b' ' && *byte != 0x7f),
    }
}

/// The same for eight bytes at once: a byte below 0x20 borrows from its top bit, and so does
/// 0x7f once it is turned into 0 ("Bit Twiddling Hacks", Anderson: hasless and haszero).
#[inline]
const fn is_plain_word(bytes: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let word = u64::from_le_bytes(bytes);
    let deleted = word ^ (ONES * 0x7f);
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    let deletes = deleted.wrapping_sub(ONES) & !deleted;
    (controls | deletes) & (ONES * 0x80) == 0
}
