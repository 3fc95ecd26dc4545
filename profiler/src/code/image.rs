//! The parts of an ELF file that are read: its segments, its build-id and the sections for
//! unwinding.
//!
//! Everything is read with `pread(2)` into memory and nothing is mapped: a file that is truncated
//! while it runs would kill the reader with SIGBUS. Only files of this machine's own kind are read
//! (64-bit, same processor). Names come from elsewhere.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use gimli::{BaseAddresses, CieOrFde, EndianSlice, LittleEndian, UnwindSection};
use object::LittleEndian as Little;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};
use object::read::{ReadCache, ReadRef};

/// Why a file has no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file could not be opened or read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// The file is not code of this machine.
    #[error("is no 64-bit ELF file of this processor")]
    Foreign,
    /// The file's headers are contradictory.
    #[error("has broken ELF headers: {0}")]
    Broken(#[from] object::read::Error),
}

/// A section's bytes and addresses.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// Its addresses in the file.
    pub(super) addresses: Range<u64>,
    /// Its content.
    pub(super) bytes: Arc<[u8]>,
}

/// The dynamic linker's first instructions, up to its first call, have no unwind rules.
const ENTRY_BYTES: u64 = 16;

/// The parts read of a file.
#[derive(Debug, Default)]
pub(super) struct Image {
    /// The linker's build-id, if there is one.
    pub(super) build_id: Option<Box<[u8]>>,
    /// The entry point of the program or of its dynamic linker; `None` for most libraries.
    entry: Option<u64>,
    /// The addresses of `.text`.
    pub(super) text: Option<Range<u64>>,
    /// The addresses of `.got`.
    pub(super) got: Option<Range<u64>>,
    /// Unwind rules.
    pub(super) eh_frame: Option<Section>,
    /// A sorted index of them; left out if it has no table.
    pub(super) eh_frame_hdr: Option<Section>,
    /// Unwind rules, if there is no `.eh_frame`.
    pub(super) debug_frame: Option<Section>,
    /// The parts of a program that Go's linker wrote.
    pub(super) go: Option<GoParts>,
    /// Whether it has a complete symbol table.
    pub(super) has_symbols: bool,
    /// A compressed file with further symbols (MiniDebugInfo): position and length.
    packed_symbols: Option<(u64, u64)>,
    segments: Vec<Segment>,
}

/// Parts of a Go program: position and length in the file.
#[derive(Debug, Default)]
pub(super) struct GoParts {
    /// The table of functions.
    pub(super) functions: Option<(u64, u64)>,
    /// Constants, which may include that table.
    pub(super) constants: Vec<(u64, u64)>,
    /// The module data.
    pub(super) module: Option<(u64, u64)>,
    /// Data without pointers to the heap, which may include the module data.
    pub(super) data: Option<(u64, u64)>,
}

#[derive(Debug)]
struct Segment {
    file: Range<u64>,
    address: u64,
    memory_size: u64,
    is_executable: bool,
}

/// The build-id of a file, without the rest of it.
pub(super) fn build_id(file: &File) -> Option<Box<[u8]>> {
    let cache = ReadCache::new(file);
    let header = elf::FileHeader64::<Little>::parse(&cache).ok()?;
    let mut image = Image::default();
    image.read_segments(header, &cache).ok()?;
    image.build_id
}

impl Image {
    /// Read a file.
    pub(super) fn read(file: &File) -> Result<Self, ImageError> {
        let cache = ReadCache::new(file);
        let reader = &cache;
        let mut magic = [0; 20];
        match file.read_exact_at(&mut magic, 0) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error.into()),
            _ => {}
        }
        let is_native = magic[..4] == elf::ELFMAG
            && magic[4..6] == [elf::ELFCLASS64, elf::ELFDATA2LSB]
            && magic[18..20] == MACHINE.to_le_bytes();
        if !is_native {
            return Err(ImageError::Foreign);
        }
        let header = elf::FileHeader64::<Little>::parse(reader)?;
        let entry = Some(header.e_entry(Little)).filter(|&entry| entry != 0);
        let mut image = Self { entry, ..Self::default() };
        image.read_segments(header, reader)?;
        image.read_sections(file, header, reader)?;
        if image.eh_frame.is_none() {
            image.eh_frame_hdr = None;
        }
        image.eh_frame_hdr = image.eh_frame_hdr.take().filter(has_table);
        Ok(image)
    }

    /// The address of a byte of the file according to the program headers. Segments with code come
    /// first: rounding to pages makes the bytes at a boundary part of two.
    pub(super) fn address_of(&self, file_offset: u64) -> Option<u64> {
        let holds = |segment: &&Segment| segment.file.contains(&file_offset);
        let mut code = self.segments.iter().filter(|segment| segment.is_executable);
        let segment = code.find(holds).or_else(|| self.segments.iter().find(holds))?;
        Some(segment.address.wrapping_add(file_offset - segment.file.start))
    }

    /// The addresses of the file's segments, from the lowest to the highest.
    pub(super) fn extent(&self) -> Range<u64> {
        let start = self.segments.iter().map(|segment| segment.address).min().unwrap_or(0);
        let end = |segment: &Segment| segment.address.saturating_add(segment.memory_size);
        start..self.segments.iter().map(end).max().unwrap_or(0)
    }

    /// The position in the file of the byte at an address.
    pub(super) fn offset_of(&self, address: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let offset = address.checked_sub(segment.address)?;
            let length = segment.file.end - segment.file.start;
            (offset < length).then(|| segment.file.start + offset)
        })
    }

    /// Why its functions have no names, and the fix.
    pub(super) fn unnamed(&self, has_go_functions: bool) -> Option<&'static str> {
        if self.has_symbols {
            None
        } else if self.go.is_some() && !has_go_functions {
            Some(
                "is a Go program without symbols or a table of functions, so that they have no \
                 names: build it without -ldflags -s",
            )
        } else {
            None
        }
    }

    /// The file with further symbols that is compressed within this one.
    pub(super) fn packed_symbols(&self, file: &File) -> Option<Vec<u8>> {
        let (start, size) = self.packed_symbols.filter(|&(_, size)| size <= SECTION_SIZE_MAX)?;
        let mut packed = vec![0; size as usize];
        file.read_exact_at(&mut packed, start).ok()?;
        unpacked(&packed)
    }

    /// Whether an address is among the first instructions of a program, which have no caller.
    pub(super) fn is_entry(&self, address: u64) -> bool {
        self.entry.is_some_and(|entry| (entry..entry + ENTRY_BYTES).contains(&address))
    }

    /// The address ranges with unwind rules, sorted: one for each function (or part of one), even
    /// in a stripped file.
    pub(super) fn functions(&self) -> Vec<Range<u64>> {
        let start = |range: &Option<Range<u64>>| range.as_ref().map_or(0, |range| range.start);
        let bases = BaseAddresses::default().set_text(start(&self.text)).set_got(start(&self.got));
        let mut functions = Vec::new();
        if let Some(section) = &self.eh_frame {
            let bases = bases.set_eh_frame(section.addresses.start);
            let mut frames = gimli::EhFrame::new(&section.bytes, LittleEndian);
            frames.set_address_size(8);
            collect(&frames, &bases, &mut functions);
        } else if let Some(section) = &self.debug_frame {
            let mut frames = gimli::DebugFrame::new(&section.bytes, LittleEndian);
            frames.set_address_size(8);
            collect(&frames, &bases, &mut functions);
        }
        functions.sort_unstable_by_key(|range| range.start);
        functions
    }

    /// Addresses where something in the code starts or ends, sorted: `functions` (those with unwind
    /// rules), sections, and symbols of functions, or of global assembly.
    pub(super) fn edges(&self, file: &File, functions: &[Range<u64>]) -> Vec<u64> {
        let mut edges: Vec<u64> =
            functions.iter().flat_map(|range| [range.start, range.end]).collect();
        // Failures to read were reported before: then the unwind rules have to be enough.
        let _ = symbol_edges(file, &mut edges);
        edges.sort_unstable();
        edges.dedup();
        edges
    }

    fn read_segments<'a, R: ReadRef<'a>>(
        &mut self,
        header: &elf::FileHeader64<Little>,
        reader: R,
    ) -> Result<(), ImageError> {
        for program in header.program_headers(Little, reader)? {
            if program.p_type(Little) == elf::PT_LOAD {
                let (offset, size) = program.file_range(Little);
                self.segments.push(Segment {
                    file: offset..offset.saturating_add(size),
                    address: program.p_vaddr(Little),
                    memory_size: program.p_memsz(Little),
                    is_executable: program.p_flags(Little) & elf::PF_X != 0,
                });
            }
            let Ok(Some(mut notes)) = program.notes(Little, reader) else { continue };
            while let Ok(Some(note)) = notes.next() {
                if note.name() == elf::ELF_NOTE_GNU && note.n_type(Little) == elf::NT_GNU_BUILD_ID {
                    self.build_id = Some(note.desc().into());
                }
            }
        }
        Ok(())
    }

    fn read_sections<'a, R: ReadRef<'a>>(
        &mut self,
        file: &File,
        header: &elf::FileHeader64<Little>,
        reader: R,
    ) -> Result<(), ImageError> {
        let sections = header.sections(Little, reader)?;
        let (mut is_go, mut go) = (false, GoParts::default());
        for section in sections.iter() {
            let address = section.sh_addr(Little);
            let addresses = address..address.saturating_add(section.sh_size(Little));
            match sections.section_name(Little, section)? {
                b".text" => self.text = Some(addresses),
                b".got" => self.got = Some(addresses),
                b".eh_frame" => self.eh_frame = content(file, section, addresses)?,
                b".eh_frame_hdr" => self.eh_frame_hdr = content(file, section, addresses)?,
                b".debug_frame" => self.debug_frame = content(file, section, addresses)?,
                b".go.buildinfo" | b".note.go.buildid" => is_go = true,
                b".gopclntab" | b".data.rel.ro.gopclntab" => {
                    go.functions = section.file_range(Little);
                }
                b".data.rel.ro" | b".rodata" => go.constants.extend(section.file_range(Little)),
                b".go.module" => go.module = section.file_range(Little),
                b".noptrdata" => go.data = section.file_range(Little),
                b".symtab" => self.has_symbols = true,
                b".gnu_debugdata" => self.packed_symbols = section.file_range(Little),
                _ => {}
            }
        }
        self.go = is_go.then_some(go);
        Ok(())
    }
}

fn symbol_edges(file: &File, edges: &mut Vec<u64>) -> Result<(), ImageError> {
    let cache = ReadCache::new(file);
    let reader = &cache;
    let header = elf::FileHeader64::<Little>::parse(reader)?;
    let sections = header.sections(Little, reader)?;
    for section in sections.iter() {
        if section.sh_flags(Little) & u64::from(elf::SHF_EXECINSTR) != 0 {
            let start = section.sh_addr(Little);
            edges.extend([start, start.saturating_add(section.sh_size(Little))]);
        }
    }
    for table in [elf::SHT_SYMTAB, elf::SHT_DYNSYM] {
        for symbol in sections.symbols(Little, reader, table)?.iter() {
            let is_edge = match symbol.st_type() {
                elf::STT_FUNC | elf::STT_GNU_IFUNC => true,
                elf::STT_NOTYPE => symbol.st_bind() != elf::STB_LOCAL,
                _ => false,
            };
            if is_edge && symbol.st_shndx(Little) != elf::SHN_UNDEF {
                edges.push(symbol.st_value(Little));
            }
        }
    }
    Ok(())
}

/// Read a section, which may be compressed (Go's linker compresses `.debug_frame`); `None` if it
/// has no bytes in the file, or is not zlib.
fn content(
    file: &File,
    section: &elf::SectionHeader64<Little>,
    addresses: Range<u64>,
) -> Result<Option<Section>, ImageError> {
    let is_compressed = section.sh_flags(Little) & u64::from(elf::SHF_COMPRESSED) != 0;
    let Some((offset, size)) = section.file_range(Little) else { return Ok(None) };
    if size == 0 || size > SECTION_SIZE_MAX {
        return Ok(None);
    }
    let mut bytes = vec![0; size as usize];
    file.read_exact_at(&mut bytes, offset)?;
    let (bytes, addresses) = if is_compressed {
        let Some(bytes) = inflated(&bytes) else { return Ok(None) };
        let end = addresses.start.saturating_add(bytes.len() as u64);
        (bytes, addresses.start..end)
    } else {
        (bytes, addresses)
    };
    Ok(Some(Section { addresses, bytes: bytes.into() }))
}

/// The content of a compressed section: a header of 24 bytes (`Elf64_Chdr`: method, a gap, the
/// size) and a zlib stream.
fn inflated(section: &[u8]) -> Option<Vec<u8>> {
    let (header, stream) = section.split_at_checked(24)?;
    if header[..4] != elf::ELFCOMPRESS_ZLIB.to_le_bytes() {
        return None;
    }
    let size = u64::from_le_bytes(header[8..16].try_into().ok()?);
    if size > SECTION_SIZE_MAX {
        return None;
    }
    let mut bytes = Vec::with_capacity(size as usize);
    let decoder = flate2::read::ZlibDecoder::new(stream);
    decoder.take(SECTION_SIZE_MAX).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 == size).then_some(bytes)
}

/// The content of an xz file.
fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let reader = lzma_rust2::XzReader::new_mem_limit(packed, false, UNPACKING_KIB_MAX);
    reader.take(UNPACKED_MAX).read_to_end(&mut bytes).ok()?;
    ((bytes.len() as u64) < UNPACKED_MAX).then_some(bytes)
}

/// Whether an index has the table that lookups need (a linker may leave it out).
fn has_table(section: &Section) -> bool {
    let bases = BaseAddresses::default().set_eh_frame_hdr(section.addresses.start);
    let parsed = gimli::EhFrameHdr::new(&section.bytes, LittleEndian).parse(&bases, 8);
    parsed.is_ok_and(|parsed| parsed.table().is_some())
}

fn collect<'a, S>(frames: &S, bases: &BaseAddresses, into: &mut Vec<Range<u64>>)
where
    S: UnwindSection<EndianSlice<'a, LittleEndian>>,
{
    let mut entries = frames.entries(bases);
    // Entries after a broken one cannot be found; those before it are valid.
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        if let Ok(entry) = partial.parse(S::cie_from_offset)
            && entry.len() > 0
        {
            into.push(entry.initial_address()..entry.end_address());
        }
    }
}

/// Larger sections are not read, to bound the profiler's own memory: a browser's `.eh_frame` has
/// about 10 MB.
const SECTION_SIZE_MAX: u64 = 24 << 20;

/// The same for unpacked symbols, and for the memory that unpacking takes.
const UNPACKED_MAX: u64 = 128 << 20;
const UNPACKING_KIB_MAX: u32 = 128 << 10;

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = elf::EM_X86_64;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = elf::EM_AARCH64;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn compressed(kind: u32, size: u64, content: &[u8]) -> Vec<u8> {
        let mut section = Vec::new();
        section.extend(kind.to_le_bytes());
        section.extend([0; 4]);
        section.extend(size.to_le_bytes());
        section.extend(1_u64.to_le_bytes());
        let mut encoder = flate2::write::ZlibEncoder::new(section, flate2::Compression::default());
        encoder.write_all(content).expect("memory takes all");
        encoder.finish().expect("memory takes all")
    }

    #[test]
    fn a_compressed_section_is_read_if_it_is_what_its_header_states() {
        let content = [7; 5_000];
        let zlib = elf::ELFCOMPRESS_ZLIB;
        let whole = compressed(zlib, 5_000, &content);
        assert_eq!(inflated(&whole).as_deref(), Some(&content[..]));
        assert_eq!(inflated(&compressed(zlib, 4_999, &content)), None);
        assert_eq!(inflated(&compressed(zlib, u64::MAX, &content)), None);
        assert_eq!(inflated(&compressed(elf::ELFCOMPRESS_ZSTD, 5_000, &content)), None);
        assert_eq!(inflated(&whole[..whole.len() - 9]), None);
        assert_eq!(inflated(&whole[..20]), None);
        assert_eq!(unpacked(&whole), None);
    }
}
