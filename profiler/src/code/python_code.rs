//! The Python function that a run of CPython's interpreter loop executes, from the loop's own stack
//! frame: it keeps addresses of the instructions that it interprets. Pure: words of memory come
//! from a function.
//!
//! Since CPython 3.11 a function's instructions are part of its code object, so that an address
//! among them leads to the object, and that to its name and file. Code objects live as long as
//! their functions: unlike the interpreter's frames they are still there when a sample is decoded.
//! The memory belongs to another program: every object's type is checked and every length bounded.

/// Positions in CPython's objects, in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PythonLayout {
    /// The address of the type `code`.
    pub code_type: u64,
    /// The address of the type `str`.
    pub string_type: u64,
    /// The size of a code object without its instructions.
    pub code_size: u64,
    /// The position of the characters in a string of ASCII.
    pub text_at: u64,
}

/// A code object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PythonCode {
    /// Its address.
    pub object: u64,
}

/// Positions of a code object's strings, the same from 3.11 to 3.13.
const FILE: usize = 112;
const QUALIFIED_NAME: usize = 128;
const DESCRIBED: usize = 136;
/// A longer name is not read.
const NAME_MAX: u64 = 1_024;
/// The furthest that an instruction is searched behind the start of its function, in bytes.
const REACH: u64 = 8_192;
/// Objects begin at multiples of this.
const ALIGNMENT: u64 = 16;
/// The first and the last address of user space that may hold an object.
const ADDRESSES: std::ops::Range<u64> = 0x1_0000..1 << 47;

impl PythonLayout {
    /// The layout of a version (`Py_Version`), for these types; `None` for versions whose objects
    /// are others.
    pub const fn of(
        version: u32,
        code_type: u64,
        string_type: u64,
        code_size: u64,
    ) -> Option<Self> {
        let text_at = match version >> 16 {
            0x030b => 48,
            0x030c | 0x030d => 40,
            _ => return None,
        };
        if code_size < DESCRIBED as u64 || code_size > 1_024 {
            return None;
        }
        Some(Self { code_type, string_type, code_size, text_at })
    }

    /// The code object among whose instructions `word` points.
    pub fn code_at(
        &self,
        word: u64,
        mut read: impl FnMut(u64, &mut [u8]) -> usize,
    ) -> Option<PythonCode> {
        let start = word.checked_sub(self.code_size)?;
        if !word.is_multiple_of(2) || !ADDRESSES.contains(&start) {
            return None;
        }
        // The object is there or, for all but the first instruction, before.
        let last = start / ALIGNMENT * ALIGNMENT;
        let page = last / 4_096 * 4_096;
        for first in [last.saturating_sub(REACH).max(ALIGNMENT), page] {
            let mut bytes = vec![0; (last + 24 - first) as usize];
            if read(first, &mut bytes) != bytes.len() {
                // It may reach into memory that is not mapped.
                continue;
            }
            let mut object = last;
            while object >= first {
                let at = (object - first) as usize;
                if u64_at(&bytes, at + 8) == Some(self.code_type) {
                    let units = u64_at(&bytes, at + 16)?;
                    let end = units.checked_mul(2)?.checked_add(object + self.code_size)?;
                    return (word < end).then_some(PythonCode { object });
                }
                object = object.checked_sub(ALIGNMENT)?;
            }
            return None;
        }
        None
    }

    /// Name and file of a code object.
    pub fn describe(
        &self,
        code: PythonCode,
        mut read: impl FnMut(u64, &mut [u8]) -> usize,
    ) -> Option<(String, String)> {
        let mut object = [0; DESCRIBED];
        let is_read = read(code.object, &mut object) == DESCRIBED;
        if !is_read || u64_at(&object, 8) != Some(self.code_type) {
            return None;
        }
        let name = self.string(u64_at(&object, QUALIFIED_NAME)?, &mut read)?;
        let file = self.string(u64_at(&object, FILE)?, &mut read)?;
        Some((name, file))
    }

    /// A string of ASCII.
    fn string(
        &self,
        address: u64,
        read: &mut impl FnMut(u64, &mut [u8]) -> usize,
    ) -> Option<String> {
        /// Bits of the state: one byte for each character, compact, ASCII (unicodeobject.h).
        const KIND: u8 = 0b1_1100;
        const ONE_BYTE: u8 = 1 << 2;
        const COMPACT_ASCII: u8 = 0b110_0000;
        let mut head = [0; 40];
        if !ADDRESSES.contains(&address) || read(address, &mut head) != head.len() {
            return None;
        }
        let length = u64_at(&head, 16)?;
        let state = head[32];
        let is_ascii = state & KIND == ONE_BYTE && state & COMPACT_ASCII == COMPACT_ASCII;
        if u64_at(&head, 8) != Some(self.string_type) || !is_ascii || length > NAME_MAX {
            return None;
        }
        let mut text = vec![0; length as usize];
        let is_read = read(address + self.text_at, &mut text) == text.len();
        let is_text =
            is_read && !text.is_empty() && text.iter().all(|byte| (b' '..=b'~').contains(byte));
        is_text.then(|| String::from_utf8(text).ok()).flatten()
    }
}

/// The function that a run of the loop executes, by the words of its frame in order of address and
/// those of the frames below it, where registers that the loop uses are kept. The loop holds the
/// address of its function's first instruction; words that a frame no longer uses may name a
/// function that ran before, but several of a live one do. `code_of` finds the object of a word.
pub fn executed(
    layout: &PythonLayout,
    own: &[u64],
    below: &[u64],
    mut code_of: impl FnMut(u64) -> Option<PythonCode>,
) -> Option<PythonCode> {
    let mut votes: Vec<(PythonCode, u32)> = Vec::new();
    for &word in own {
        let Some(code) = code_of(word) else { continue };
        if word == code.object + layout.code_size {
            return Some(code);
        }
        vote(&mut votes, code);
    }
    below.iter().filter_map(|&word| code_of(word)).for_each(|code| vote(&mut votes, code));
    // Of equals the first, which is in the loop's own frame if any is.
    let most = votes.iter().map(|(_, count)| *count).max()?;
    votes.into_iter().find(|(_, count)| *count == most).map(|(code, _)| code)
}

fn vote(votes: &mut Vec<(PythonCode, u32)>, code: PythonCode) {
    match votes.iter_mut().find(|(known, _)| *known == code) {
        Some((_, count)) => *count += 1,
        None => votes.push((code, 1)),
    }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().map(u64::from_le_bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 0x20_0000;
    const LAYOUT: PythonLayout =
        PythonLayout { code_type: 0x9000, string_type: 0x8000, code_size: 184, text_at: 48 };

    /// Memory at [`BASE`] with a function of 100 instructions at its byte 8,208.
    fn memory() -> Vec<u8> {
        let mut memory = vec![0; 20_000];
        let mut put = |at: usize, word: u64| {
            memory[at..at + 8].copy_from_slice(&word.to_le_bytes());
        };
        let code = 8_208;
        put(code + 8, LAYOUT.code_type);
        put(code + 16, 100);
        put(code + FILE, BASE + 1_000);
        put(code + QUALIFIED_NAME, BASE + 2_000);
        for (at, length) in [(1_000, 7), (2_000, 7)] {
            put(at + 8, LAYOUT.string_type);
            put(at + 16, length);
            put(at + 32, 0b110_0100);
        }
        memory[1_048..1_055].copy_from_slice(b"/app.py");
        memory[2_048..2_055].copy_from_slice(b"handler");
        memory
    }

    fn reader(memory: &[u8]) -> impl FnMut(u64, &mut [u8]) -> usize {
        |address, bytes| {
            let at = usize::try_from(address.wrapping_sub(BASE)).unwrap_or(usize::MAX);
            let found = memory.get(at..at.saturating_add(bytes.len()));
            found.map_or(0, |found| {
                bytes.copy_from_slice(found);
                bytes.len()
            })
        }
    }

    #[test]
    fn an_address_among_instructions_leads_to_their_function() {
        let memory = memory();
        let code = PythonCode { object: BASE + 8_208 };
        let first = code.object + LAYOUT.code_size;
        for word in [first, first + 2, first + 198] {
            assert_eq!(LAYOUT.code_at(word, reader(&memory)), Some(code), "{word:#x}");
        }
        for word in [code.object, first - 2, first + 1, first + 200, 0, 7, u64::MAX, u64::MAX - 1] {
            assert_eq!(LAYOUT.code_at(word, reader(&memory)), None, "{word:#x}");
        }
        let described = LAYOUT.describe(code, reader(&memory)).expect("it is whole");
        assert_eq!(described, ("handler".to_owned(), "/app.py".to_owned()));
        // Only the object's own page can be read.
        let near = |address: u64, bytes: &mut [u8]| match address < BASE + 8_192 {
            true => 0,
            false => reader(&memory)(address, bytes),
        };
        assert_eq!(LAYOUT.code_at(first + 4, near), Some(code));
    }

    #[test]
    fn the_first_instruction_or_most_words_decide_which_function_runs() {
        let [old, new] = [1_000, 5_000].map(|object| PythonCode { object });
        let code_of = |word: u64| match word {
            1_184..1_300 => Some(old),
            5_184..5_300 => Some(new),
            _ => None,
        };
        let executed = |own: &[u64], below: &[u64]| executed(&LAYOUT, own, below, code_of);
        assert_eq!(executed(&[1_200, 9, 1_202, 5_184], &[]), Some(new));
        assert_eq!(executed(&[9, 5_200, 7, 5_202], &[1_184]), Some(new));
        assert_eq!(executed(&[5_200], &[1_200]), Some(new));
        assert_eq!(executed(&[9], &[1_200, 1_200, 5_200]), Some(old));
        assert_eq!(executed(&[7], &[8]), None);
    }

    #[test]
    fn damaged_objects_are_read_without_harm() {
        let whole = memory();
        let first = BASE + 8_208 + LAYOUT.code_size;
        for at in (0..136).chain(1_000..1_060) {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut memory = whole.clone();
                let at = if at < 136 { 8_208 + at } else { at };
                memory[at] = byte;
                if let Some(code) = LAYOUT.code_at(first + 2, reader(&memory)) {
                    let _ = LAYOUT.describe(code, reader(&memory));
                }
            }
        }
        assert_eq!(PythonLayout::of(0x030a_00f0, 1, 2, 184), None);
        assert_eq!(PythonLayout::of(0x030e_00f0, 1, 2, 184), None);
        assert!(PythonLayout::of(0x030b_02f0, 1, 2, 184).is_some_and(|it| it.text_at == 48));
    }
}
