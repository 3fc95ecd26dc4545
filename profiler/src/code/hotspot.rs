//! Java methods of compiled and interpreted code, from the tables that HotSpot keeps for
//! debuggers: `gHotSpotVMStructs` and `gHotSpotVMTypes` name the fields of its own structures.
//!
//! An address leads to the block of the code cache that holds it, that to the compiled method and
//! to the methods inlined there; an interpreter's frame holds its method. The memory belongs to
//! another program and changes while it is read: lengths, depths and loops are bounded. Pure: bytes
//! of memory come from a function.

mod tables;

use std::ops::Range;

use self::tables::Tables;

/// Reads all of a buffer at an address.
pub trait JavaMemory {
    /// `None` if not all of it can be read.
    fn read(&mut self, address: u64, bytes: &mut [u8]) -> Option<()>;
}

impl<F: FnMut(u64, &mut [u8]) -> Option<()>> JavaMemory for F {
    fn read(&mut self, address: u64, bytes: &mut [u8]) -> Option<()> {
        self(address, bytes)
    }
}

/// Where HotSpot keeps what, in one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotSpotLayout {
    heaps: CodeHeaps,
    heap_memory: u64,
    heap_map: u64,
    heap_log2: u64,
    /// Of `VirtualSpace`.
    space: Range<u64>,
    block_size: u64,
    blob_name: u64,
    blob_code: BlobCode,
    frame_complete: Field,
    frame_size: u64,
    compiled_method: u64,
    compile_id: u64,
    scopes: Option<Scopes>,
    method: Methods,
}

/// The parts of the code cache.
#[derive(Clone, Debug, PartialEq, Eq)]
enum CodeHeaps {
    /// The address of the only one, until JDK 8.
    One(u64),
    /// The address of a list, and its length and elements.
    List { list: u64, length: u64, elements: u64 },
}

/// A field that is an `int`, or a `short` since JDK 23.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    at: u64,
    is_short: bool,
}

/// Where the instructions of a block begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlobCode {
    /// Fields with addresses.
    Addresses([u64; 2]),
    /// Fields with distances from the block.
    Offsets([u64; 2]),
}

/// Where the scopes of inlined methods are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scopes {
    tables: ScopeTables,
    /// The field with the position of the descriptions of addresses.
    pcs: u64,
    pc_size: u64,
    pc_offset: u64,
    pc_scope: u64,
    /// Whether numbers are written without zero bytes.
    has_no_zeros: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScopeTables {
    /// Within the block: the field with the address of the data, and those with the distances of
    /// the end of the descriptions and of the methods.
    Within { data: u64, pcs_end: u64, methods: u64 },
    /// In memory of their own: fields with its address, the data's distance, the address of the
    /// methods, and their distance.
    Apart { base: u64, data: u64, mutable: u64, methods: u64 },
}

/// Where a method's name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Methods {
    constant: u64,
    pool: u64,
    name_index: u64,
    pool_size: u64,
    holder: u64,
    class_name: u64,
    symbol_length: u64,
    symbol_body: u64,
}

/// Why the tables cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HotSpotLayoutError {
    /// The library exports no tables.
    #[error("its tables for debuggers cannot be read (that of another user takes CAP_SYS_PTRACE)")]
    Unreadable,
    /// This version has no such field.
    #[error("its tables for debuggers lack {0}")]
    Missing(&'static str),
}

/// A block of the code cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeBlob {
    /// Its address.
    pub start: u64,
    /// The kind of code.
    pub kind: BlobKind,
    /// The instructions.
    pub code: Range<u64>,
    /// The size of its frame in bytes with the return address, 0 if it has none of a fixed size.
    pub frame_size: u64,
    /// The first address at which the frame is complete.
    pub complete_from: u64,
}

/// The kind of code in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobKind {
    /// A compiled method, and its number, which no other compilation has.
    Compiled {
        /// The address of the method.
        method: u64,
        /// The number.
        id: u32,
    },
    /// The interpreter.
    Interpreter,
    /// Code of a table of virtual methods, which has no frame.
    Vtable,
    /// Another routine of HotSpot, by its name.
    Stub(String),
}

impl HotSpotLayout {
    /// Read the tables of a process. `symbol` is the address of a symbol there.
    ///
    /// # Errors
    /// If they cannot be read, or lack a field.
    pub fn read(
        symbol: impl Fn(&str) -> Option<u64>,
        memory: &mut impl JavaMemory,
    ) -> Result<Self, HotSpotLayoutError> {
        let tables = Tables::read(&symbol, memory).ok_or(HotSpotLayoutError::Unreadable)?;
        let at = |names: &[&'static str]| tables.field(names).map(|found| found.offset);
        let list = tables.fields.get("CodeCache._heaps");
        let heaps = match list {
            Some(list) => CodeHeaps::List {
                list: list.address,
                length: at(&["GrowableArrayBase._len", "GenericGrowableArray._len"])?,
                elements: at(&["GrowableArray<int>._data"])?,
            },
            None => CodeHeaps::One(tables.field(&["CodeCache._heap"])?.address),
        };
        let code = match tables.fields.get("CodeBlob._code_begin") {
            Some(begin) => BlobCode::Addresses([begin.offset, at(&["CodeBlob._code_end"])?]),
            None => BlobCode::Offsets([
                at(&["CodeBlob._code_offset"])?,
                at(&["CodeBlob._data_offset"])?,
            ]),
        };
        let major = tables
            .fields
            .get("Abstract_VM_Version._vm_major_version")
            .and_then(|it| int(memory, it.address));
        // JDK 8 says 25.
        let has_no_zeros = list.is_some() && major.is_some_and(|major| major >= 20);
        Ok(Self {
            heaps,
            heap_memory: at(&["CodeHeap._memory"])?,
            heap_map: at(&["CodeHeap._segmap"])?,
            heap_log2: at(&["CodeHeap._log2_segment_size"])?,
            space: at(&["VirtualSpace._low"])?..at(&["VirtualSpace._high"])?,
            block_size: tables.size("HeapBlock")?,
            blob_name: at(&["CodeBlob._name"])?,
            blob_code: code,
            frame_complete: tables.number("CodeBlob._frame_complete_offset")?,
            frame_size: at(&["CodeBlob._frame_size"])?,
            compiled_method: at(&["CompiledMethod._method", "nmethod._method"])?,
            compile_id: at(&["nmethod._compile_id"])?,
            scopes: Scopes::read(&tables, has_no_zeros),
            method: Methods::read(&tables)?,
        })
    }

    /// The block that holds an address.
    pub fn blob(&self, address: u64, memory: &mut impl JavaMemory) -> Option<CodeBlob> {
        let start = self.heaps(memory).into_iter().find_map(|heap| {
            let low = word(memory, heap + self.heap_memory + self.space.start)?;
            let high = word(memory, heap + self.heap_memory + self.space.end)?;
            if !(low..high).contains(&address) {
                return None;
            }
            let log2 = int(memory, heap + self.heap_log2).filter(|log2| *log2 < 32)?;
            let map = word(memory, heap + self.heap_map + self.space.start)?;
            let mut segment = (address - low) >> log2;
            for _ in 0..HOPS_MAX {
                let mut hop = [0];
                memory.read(map.checked_add(segment)?, &mut hop)?;
                match hop[0] {
                    0 => return (low + (segment << log2)).checked_add(self.block_size),
                    FREE => return None,
                    hop => segment = segment.checked_sub(hop.into())?,
                }
            }
            None
        })?;
        let blob = self.read_blob(start, memory)?;
        blob.code.contains(&address).then_some(blob)
    }

    /// Whether a block still holds the same compilation.
    pub fn is_same(&self, blob: &CodeBlob, memory: &mut impl JavaMemory) -> bool {
        match blob.kind {
            BlobKind::Compiled { id, .. } => int(memory, blob.start + self.compile_id) == Some(id),
            _ => true,
        }
    }

    fn heaps(&self, memory: &mut impl JavaMemory) -> Vec<u64> {
        let mut heaps = || match self.heaps {
            CodeHeaps::One(heap) => Some(vec![word(memory, heap)?]),
            CodeHeaps::List { list, length, elements } => {
                let list = word(memory, list)?;
                let length = int(memory, list.checked_add(length)?)?.min(HEAPS_MAX);
                let elements = word(memory, list.checked_add(elements)?)?;
                let of = |nth: u32| word(memory, elements.checked_add(8 * u64::from(nth))?);
                (0..length).map(of).collect()
            }
        };
        let heaps = heaps().unwrap_or_default();
        // Fields are added to these addresses.
        heaps.into_iter().filter(|heap| *heap < ADDRESS_MAX).collect()
    }

    fn read_blob(&self, start: u64, memory: &mut impl JavaMemory) -> Option<CodeBlob> {
        if start >= ADDRESS_MAX {
            return None;
        }
        let name = word(memory, start + self.blob_name)?;
        let name = text(memory, name)?;
        let code = match self.blob_code {
            BlobCode::Addresses([begin, end]) => {
                word(memory, start + begin)?..word(memory, start + end)?
            }
            BlobCode::Offsets([begin, end]) => {
                let offset = |memory: &mut _, at| int(memory, start + at).map(u64::from);
                start + offset(memory, begin)?..start + offset(memory, end)?
            }
        };
        let kind = match name.as_bytes() {
            b"nmethod" | b"native nmethod" => BlobKind::Compiled {
                method: word(memory, start + self.compiled_method)?,
                id: int(memory, start + self.compile_id)?,
            },
            b"Interpreter" => BlobKind::Interpreter,
            [b'v', b't', b'a', b'b', ..] => BlobKind::Vtable,
            _ => BlobKind::Stub(name),
        };
        let words = int(memory, start + self.frame_size)?.min(FRAME_WORDS_MAX);
        // Never complete: its frame is not described.
        let complete = self.frame_complete.signed(start, memory)?;
        let complete = u64::try_from(complete).map_or(code.end, |it| code.start.saturating_add(it));
        Some(CodeBlob {
            start,
            kind,
            code,
            frame_size: 8 * u64::from(words),
            complete_from: complete,
        })
    }

    /// The methods at an address of a compiled method, the innermost inlined one first.
    pub fn methods(&self, blob: &CodeBlob, address: u64, memory: &mut impl JavaMemory) -> Vec<u64> {
        let BlobKind::Compiled { method, .. } = blob.kind else { return Vec::new() };
        let inlined = self.scopes.and_then(|scopes| scopes.methods(blob, address, memory));
        inlined.filter(|methods| methods.last() == Some(&method)).unwrap_or_else(|| vec![method])
    }

    /// A method's class and name, such as `java.lang.String.length`.
    pub fn name(&self, method: u64, memory: &mut impl JavaMemory) -> Option<String> {
        let of = self.method;
        let mut follow = |from: u64, at: u64| word(memory, from.checked_add(at)?);
        let constant = follow(method, of.constant)?;
        let pool = follow(constant, of.pool)?;
        let holder = follow(pool, of.holder)?;
        let class = follow(holder, of.class_name)?;
        let index = short(memory, constant.checked_add(of.name_index)?)?;
        let name = pool.checked_add(of.pool_size + 8 * u64::from(index))?;
        // The lowest bit says that a class is not resolved.
        let name = word(memory, name)? & !1;
        let (class, name) = (of.symbol(class, memory)?, of.symbol(name, memory)?);
        let class = class.replace('/', ".");
        // Classes made at run time have their address in their name.
        let end = [".0x", "+0x"].iter().filter_map(|mark| class.find(mark)).min();
        let class = &class[..end.unwrap_or(class.len())];
        (!class.is_empty() && !name.is_empty()).then(|| format!("{class}.{name}"))
    }
}

impl Scopes {
    fn read(tables: &Tables, has_no_zeros: bool) -> Option<Self> {
        let at = |name: &str| tables.fields.get(name).map(|found| found.offset);
        let tables_of = match at("nmethod._immutable_data") {
            // JDK 23 and 24 keep methods elsewhere.
            Some(base) => ScopeTables::Apart {
                base,
                data: at("nmethod._scopes_data_offset")?,
                mutable: at("CodeBlob._mutable_data")?,
                methods: at("CodeBlob._relocation_size")?,
            },
            None => ScopeTables::Within {
                data: at("CompiledMethod._scopes_data_begin")?,
                pcs_end: at("nmethod._dependencies_offset")?,
                methods: at("nmethod._metadata_offset")?,
            },
        };
        Some(Self {
            tables: tables_of,
            pcs: at("nmethod._scopes_pcs_offset")?,
            pc_size: tables.size("PcDesc").ok()?,
            pc_offset: at("PcDesc._pc_offset")?,
            pc_scope: at("PcDesc._scope_decode_offset")?,
            has_no_zeros,
        })
    }

    fn methods(
        self,
        blob: &CodeBlob,
        address: u64,
        memory: &mut impl JavaMemory,
    ) -> Option<Vec<u64>> {
        let field = |at: u64| blob.start.checked_add(at);
        let first = u64::from(int(memory, field(self.pcs)?)?);
        let (pcs, data, methods) = match self.tables {
            ScopeTables::Within { data, pcs_end, methods } => {
                let end = u64::from(int(memory, field(pcs_end)?)?);
                let pcs = blob.start.checked_add(first)?..blob.start.checked_add(end)?;
                let methods = u64::from(int(memory, field(methods)?)?);
                (pcs, word(memory, field(data)?)?, blob.start.checked_add(methods)?)
            }
            ScopeTables::Apart { base, data, mutable, methods } => {
                let base = word(memory, field(base)?)?;
                let data = base.checked_add(int(memory, field(data)?)?.into())?;
                let mutable = word(memory, field(mutable)?)?;
                let methods = mutable.checked_add(int(memory, field(methods)?)?.into())?;
                (base.checked_add(first)?..data, data, methods)
            }
        };
        let offset = u32::try_from(address.checked_sub(blob.code.start)?).ok()?;
        let mut scope = self.scope(pcs, offset, memory)?;
        let mut found = Vec::new();
        while scope != 0 {
            if found.len() >= INLINED_MAX {
                return None;
            }
            let mut bytes = [0; SCOPE_BYTES];
            memory.read(data.checked_add(scope.into())?, &mut bytes)?;
            let mut bytes = bytes.iter().copied();
            let sender = unsigned5(&mut bytes, self.has_no_zeros)?;
            let nth = unsigned5(&mut bytes, self.has_no_zeros)?;
            let nth = u64::from(nth.checked_sub(1)?);
            found.push(word(memory, methods.checked_add(8 * nth)?)?);
            scope = sender;
        }
        Some(found)
    }

    /// The position of the innermost scope at an instruction: that of the next description.
    fn scope(self, pcs: Range<u64>, offset: u32, memory: &mut impl JavaMemory) -> Option<u32> {
        let count = pcs.end.checked_sub(pcs.start)? / self.pc_size;
        let (mut low, mut high) = (0, count.min(PCS_MAX));
        while low < high {
            let middle = u64::midpoint(low, high);
            let at = (pcs.start + middle * self.pc_size).wrapping_add(self.pc_offset);
            // The first one is before all instructions.
            match int(memory, at)?.cast_signed() < offset.cast_signed() {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        (low < count).then_some(())?;
        int(memory, (pcs.start + low * self.pc_size).wrapping_add(self.pc_scope))
    }
}

impl Methods {
    fn read(tables: &Tables) -> Result<Self, HotSpotLayoutError> {
        let at = |name: &'static str| tables.field(&[name]).map(|found| found.offset);
        let symbol_length = match tables.fields.get("Symbol._length") {
            Some(length) => length.offset,
            // The upper half of a word, in JDK 12 to 15.
            None => at("Symbol._length_and_refcount")? + 2,
        };
        Ok(Self {
            constant: at("Method._constMethod")?,
            pool: at("ConstMethod._constants")?,
            name_index: at("ConstMethod._name_index")?,
            pool_size: tables.size("ConstantPool")?,
            holder: at("ConstantPool._pool_holder")?,
            class_name: at("Klass._name")?,
            symbol_length,
            symbol_body: tables.field(&["Symbol._body", "Symbol._body[0]"])?.offset,
        })
    }

    fn symbol(self, symbol: u64, memory: &mut impl JavaMemory) -> Option<String> {
        let length = short(memory, symbol.checked_add(self.symbol_length)?)?;
        if usize::from(length) > NAME_MAX {
            return None;
        }
        let mut bytes = vec![0; length.into()];
        memory.read(symbol.checked_add(self.symbol_body)?, &mut bytes)?;
        let name = String::from_utf8_lossy(&bytes);
        Some(name.chars().filter(|letter| !letter.is_control()).collect())
    }
}

impl Field {
    fn signed(self, from: u64, memory: &mut impl JavaMemory) -> Option<i32> {
        let at = from.checked_add(self.at)?;
        match self.is_short {
            true => short(memory, at).map(|value| value.cast_signed().into()),
            false => int(memory, at).map(u32::cast_signed),
        }
    }
}

/// A number of HotSpot's compressed streams (`UNSIGNED5`): up to five bytes of 6 bits, the last of
/// which is below a limit; since JDK 20 no byte is zero.
fn unsigned5(bytes: &mut impl Iterator<Item = u8>, has_no_zeros: bool) -> Option<u32> {
    let excluded = u32::from(has_no_zeros);
    let limit = 256 - 64 - excluded;
    let mut sum = 0_u32;
    for nth in 0..5 {
        let byte = u32::from(bytes.next()?).checked_sub(excluded)?;
        sum = sum.wrapping_add(byte << (6 * nth));
        if byte < limit {
            break;
        }
    }
    Some(sum)
}

fn word(memory: &mut impl JavaMemory, at: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    memory.read(at, &mut bytes)?;
    Some(u64::from_le_bytes(bytes))
}

fn int(memory: &mut impl JavaMemory, at: u64) -> Option<u32> {
    let mut bytes = [0; 4];
    memory.read(at, &mut bytes)?;
    Some(u32::from_le_bytes(bytes))
}

fn short(memory: &mut impl JavaMemory, at: u64) -> Option<u16> {
    let mut bytes = [0; 2];
    memory.read(at, &mut bytes)?;
    Some(u16::from_le_bytes(bytes))
}

/// Text that ends with a zero byte.
fn text(memory: &mut impl JavaMemory, at: u64) -> Option<String> {
    let mut text = Vec::new();
    for part in (0..TEXT_MAX).step_by(TEXT_PART) {
        let mut bytes = [0; TEXT_PART];
        memory.read(at.checked_add(part as u64)?, &mut bytes)?;
        let end = bytes.iter().position(|&byte| byte == 0);
        text.extend(&bytes[..end.unwrap_or(TEXT_PART)]);
        if end.is_some() {
            return String::from_utf8(text).ok();
        }
    }
    None
}

/// In the map of segments: this one is free.
const FREE: u8 = 0xff;
/// Hops through the map; a dozen have been seen.
const HOPS_MAX: usize = 1 << 12;
/// The code cache has at most three parts.
const HEAPS_MAX: u32 = 8;
/// User space ends below it.
const ADDRESS_MAX: u64 = 1 << 56;
const FRAME_WORDS_MAX: u32 = 1 << 17;
const INLINED_MAX: usize = 64;
/// Three numbers of at most five bytes.
const SCOPE_BYTES: usize = 15;
const PCS_MAX: u64 = 1 << 20;
const NAME_MAX: usize = 1 << 10;
const TEXT_MAX: usize = 256;
const TEXT_PART: usize = 32;

#[cfg(test)]
mod tests;
