//! A small memory as that of a process with HotSpot: its tables, two blocks of code, two methods.

/// The address space, from zero on.
pub(crate) struct JavaHeap {
    bytes: Vec<u8>,
    texts: usize,
    fields: usize,
    types: usize,
    symbols: Vec<(String, u64)>,
}

/// Which versions a memory is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JavaVersion {
    /// JDK 9 to 22.
    Java17,
    /// JDK 25.
    Java25,
}

/// The block of a compiled method, its instructions, and where its frame is complete.
pub(crate) const COMPILED: u64 = 0x8010;
pub(crate) const CODE: [u64; 2] = [0x8200, 0x8400];
pub(crate) const COMPLETE: u64 = 0x8220;
/// Up to here instructions are of an inlined method.
pub(crate) const INLINED_END: u64 = 0x8250;
/// An instruction of the interpreter.
pub(crate) const INTERPRETED: u64 = 0x8500;
/// The methods: the inlined one, and the one that was compiled.
pub(crate) const INNER: u64 = 0x6800;
pub(crate) const OUTER: u64 = 0x6900;

const SIZE: usize = 0xa000;
const SYMBOLS: u64 = 0x100;
const FIELDS: u64 = 0x400;
const TYPES: u64 = 0x2000;
const TEXTS: usize = 0x3000;

impl JavaHeap {
    /// The memory of a version.
    pub(crate) fn new(version: JavaVersion) -> Self {
        let bytes = vec![0; SIZE];
        let mut heap = Self { bytes, texts: TEXTS, fields: 0, types: 0, symbols: Vec::new() };
        let entry = [("TypeName", 0), ("FieldName", 8), ("TypeString", 16), ("Offset", 32)];
        for (name, offset) in entry.into_iter().chain([("Address", 40)]) {
            heap.symbol(&format!("StructEntry{name}Offset"), offset);
        }
        let values = [
            ("Structs", FIELDS),
            ("StructEntryArrayStride", 48),
            ("Types", TYPES),
            ("TypeEntryArrayStride", 40),
            ("TypeEntryTypeNameOffset", 0),
            ("TypeEntrySizeOffset", 24),
        ];
        values.into_iter().for_each(|(name, value)| heap.symbol(name, value));
        heap.tables(version);
        heap.code(version);
        heap.method(INNER, "mix", "shop/Cart");
        heap.method(OUTER, "total", "shop/Cart$$Lambda+0x00007f12");
        heap
    }

    /// The address of a symbol.
    pub(crate) fn symbol_at(&self, name: &str) -> Option<u64> {
        self.symbols.iter().find(|(known, _)| known == name).map(|(_, at)| *at)
    }

    /// Read all of a buffer.
    pub(crate) fn read(&self, address: u64, bytes: &mut [u8]) -> Option<()> {
        let start = usize::try_from(address).ok()?;
        bytes.copy_from_slice(self.bytes.get(start..start.checked_add(bytes.len())?)?);
        Some(())
    }

    /// Change a byte.
    pub(crate) fn damage(&mut self, at: usize, value: u8) {
        if let Some(byte) = self.bytes.get_mut(at) {
            *byte = value;
        }
    }

    fn tables(&mut self, version: JavaVersion) {
        let own = [
            ("GrowableArrayBase", "_len", 0),
            ("GrowableArray<int>", "_data", 8),
            ("CodeHeap", "_memory", 8),
            ("CodeHeap", "_segmap", 0x30),
            ("CodeHeap", "_log2_segment_size", 0x60),
            ("VirtualSpace", "_low", 0x10),
            ("VirtualSpace", "_high", 0x18),
            ("CodeBlob", "_name", 0x20),
            ("CodeBlob", "_frame_complete_offset", 0x14),
            ("CodeBlob", "_frame_size", 0x1c),
            ("nmethod", "_compile_id", 0x78),
            ("nmethod", "_scopes_pcs_offset", 0x7c),
            ("PcDesc", "_pc_offset", 0),
            ("PcDesc", "_scope_decode_offset", 4),
            ("Method", "_constMethod", 8),
            ("ConstMethod", "_constants", 8),
            ("ConstMethod", "_name_index", 0x22),
            ("ConstantPool", "_pool_holder", 0x18),
            ("Klass", "_name", 0x18),
            ("Symbol", "_length", 4),
            ("Symbol", "_body", 6),
        ];
        let versions_own: &[(&str, &str, u64)] = match version {
            JavaVersion::Java17 => &[
                ("CodeBlob", "_code_begin", 0x28),
                ("CodeBlob", "_code_end", 0x30),
                ("CompiledMethod", "_method", 0x68),
                ("CompiledMethod", "_scopes_data_begin", 0x70),
                ("nmethod", "_metadata_offset", 0x80),
                ("nmethod", "_dependencies_offset", 0x84),
            ],
            JavaVersion::Java25 => &[
                ("CodeBlob", "_code_offset", 0x28),
                ("CodeBlob", "_data_offset", 0x2c),
                ("CodeBlob", "_mutable_data", 0x50),
                ("CodeBlob", "_relocation_size", 0x4c),
                ("nmethod", "_method", 0x68),
                ("nmethod", "_immutable_data", 0x70),
                ("nmethod", "_scopes_data_offset", 0x80),
            ],
        };
        for (kind, name, offset) in own.iter().chain(versions_own) {
            self.field(kind, name, *offset, 0);
        }
        self.field("CodeCache", "_heaps", 0, 0x6000);
        self.field("Abstract_VM_Version", "_vm_major_version", 0, 0x6008);
        for (name, size) in
            [("HeapBlock", 16), ("PcDesc", 16), ("ConstantPool", 0x48), ("Unknown", 1)]
        {
            let at = TYPES + 40 * self.types as u64;
            self.types += 1;
            let name = self.text(name);
            self.word(at, name);
            self.word(at + 24, size);
        }
    }

    fn code(&mut self, version: JavaVersion) {
        let is_new = version == JavaVersion::Java25;
        // The list of heaps, the heap, and the map of its segments of 128 bytes.
        let (list, elements, heap, map) = (0x6010, 0x6030, 0x6100, 0x7000);
        self.word(0x6000, list);
        self.int(0x6008, if is_new { 25 } else { 17 });
        self.int(list, 1);
        self.word(list + 8, elements);
        self.word(elements, heap);
        self.word(heap + 8 + 0x10, 0x8000);
        self.word(heap + 8 + 0x18, 0xa000);
        self.word(heap + 0x30 + 0x10, map);
        self.int(heap + 0x60, 7);
        let segments = (0..8).chain(0..4).chain([0xff; 52]);
        for (nth, hop) in segments.enumerate() {
            self.bytes[map as usize + nth] = hop;
        }
        self.blob(COMPILED, "nmethod", CODE, is_new);
        self.int(COMPILED + 0x14, (COMPLETE - CODE[0]) as u32);
        self.int(COMPILED + 0x1c, 6);
        self.word(COMPILED + 0x68, OUTER);
        self.int(COMPILED + 0x78, 77);
        self.blob(0x8410, "Interpreter", [0x8480, 0x8600], is_new);
        // Descriptions of addresses, their scopes, and the methods.
        let (pcs, data, methods) = (0x7100, 0x7140, 0x7300);
        let end = (INLINED_END - CODE[0]) as u32;
        for (nth, (offset, scope)) in
            [(u32::MAX, 0), (end, 8), (0x200, 1), (i32::MAX as u32, 0)].into_iter().enumerate()
        {
            self.int(pcs + 16 * nth as u64, offset);
            self.int(pcs + 16 * nth as u64 + 4, scope);
        }
        // Sender, method and position, which is not read; since JDK 20 numbers begin at 1.
        let plus = u8::from(is_new);
        let scopes = [(data + 1, [0, 2, 9]), (data + 8, [1, 1, 9])];
        for (at, numbers) in scopes {
            for (nth, number) in numbers.into_iter().enumerate() {
                self.bytes[at as usize + nth] = number + plus;
            }
        }
        self.word(methods, INNER);
        self.word(methods + 8, OUTER);
        if is_new {
            self.word(COMPILED + 0x70, 0x7000);
            self.int(COMPILED + 0x7c, (pcs - 0x7000) as u32);
            self.int(COMPILED + 0x80, (data - 0x7000) as u32);
            self.word(COMPILED + 0x50, methods - 0x20);
            self.int(COMPILED + 0x4c, 0x20);
        } else {
            // All of it is behind the block: distances from it are positive.
            for at in (0..0x300).step_by(8) {
                let word = self.word_at(pcs + at);
                self.word(COMPILED + 0x800 + at, word);
            }
            self.word(COMPILED + 0x70, COMPILED + 0x840);
            self.int(COMPILED + 0x7c, 0x800);
            self.int(COMPILED + 0x84, 0x840);
            self.int(COMPILED + 0x80, 0xa00);
        }
    }

    fn blob(&mut self, start: u64, name: &str, [begin, end]: [u64; 2], is_new: bool) {
        let name = self.text(name);
        self.word(start + 0x20, name);
        if is_new {
            self.int(start + 0x28, (begin - start) as u32);
            self.int(start + 0x2c, (end - start) as u32);
        } else {
            self.word(start + 0x28, begin);
            self.word(start + 0x30, end);
        }
    }

    /// A method with what its name is read from, in 256 bytes.
    fn method(&mut self, at: u64, name: &str, class: &str) {
        let (constant, pool, holder) = (at + 0x10, at + 0x38, at + 0x98);
        self.word(at + 8, constant);
        self.word(constant + 8, pool);
        self.bytes[constant as usize + 0x22] = 2;
        self.word(pool + 0x18, holder);
        let (class, name) = (self.name(class), self.name(name));
        // The lowest bit is a mark.
        self.word(pool + 0x48 + 16, name | 1);
        self.word(holder + 0x18, class);
    }

    /// A `Symbol`.
    fn name(&mut self, name: &str) -> u64 {
        self.texts = self.texts.next_multiple_of(8);
        let at = self.texts;
        self.bytes[at + 4] = name.len() as u8;
        self.bytes[at + 6..at + 6 + name.len()].copy_from_slice(name.as_bytes());
        self.texts += 6 + name.len();
        at as u64
    }

    fn field(&mut self, kind: &str, name: &str, offset: u64, address: u64) {
        let at = FIELDS + 48 * self.fields as u64;
        self.fields += 1;
        let values = [self.text(kind), self.text(name), self.text("int"), 0, offset, address];
        (0..).step_by(8).zip(values).for_each(|(place, value)| self.word(at + place, value));
    }

    fn symbol(&mut self, name: &str, value: u64) {
        let at = SYMBOLS + 8 * self.symbols.len() as u64;
        self.word(at, value);
        self.symbols.push((format!("gHotSpotVM{name}"), at));
    }

    fn text(&mut self, text: &str) -> u64 {
        let at = self.texts;
        self.bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
        self.texts += text.len() + 1;
        at as u64
    }

    fn word(&mut self, at: u64, value: u64) {
        self.bytes[at as usize..at as usize + 8].copy_from_slice(&value.to_le_bytes());
    }

    fn int(&mut self, at: u64, value: u32) {
        self.bytes[at as usize..at as usize + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn word_at(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.bytes[at as usize..at as usize + 8]);
        u64::from_le_bytes(bytes)
    }
}
