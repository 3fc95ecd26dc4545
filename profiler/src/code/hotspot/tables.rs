//! The tables of HotSpot's structures: fields by `Type._field`, and sizes of types.

use rustc_hash::FxHashMap;

use super::{Field, HotSpotLayoutError, JavaMemory, text, word};

/// The tables: fields by `Type._field`, and sizes of types.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) fields: FxHashMap<String, TableField>,
    sizes: FxHashMap<String, u64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct TableField {
    /// From the start of the structure.
    pub(super) offset: u64,
    /// If it is static.
    pub(super) address: u64,
    /// Whether it has 16 bits.
    pub(super) is_short: bool,
}

impl Tables {
    pub(super) fn read(
        symbol: &impl Fn(&str) -> Option<u64>,
        memory: &mut impl JavaMemory,
    ) -> Option<Self> {
        let mut tables = Self::default();
        let mut value = |name: &str| word(memory, symbol(&format!("gHotSpotVM{name}"))?);
        let of = ["TypeName", "FieldName", "TypeString", "Offset", "Address"];
        let mut places = [0; 5];
        for (place, name) in places.iter_mut().zip(of) {
            *place = value(&format!("StructEntry{name}Offset"))?;
        }
        let (structs, stride) = (value("Structs")?, value("StructEntryArrayStride")?);
        let (types, type_stride) = (value("Types")?, value("TypeEntryArrayStride")?);
        let size = [value("TypeEntryTypeNameOffset")?, value("TypeEntrySizeOffset")?];
        for entry in entries(structs, stride) {
            let mut at = |place: usize| word(memory, entry.checked_add(places[place])?);
            let (kind, name, text_of) = (at(0)?, at(1)?, at(2)?);
            let (offset, address) = (at(3)?, at(4)?);
            if kind == 0 {
                break;
            }
            let Some(kind) = text(memory, kind).filter(|kind| is_used(kind)) else { continue };
            let Some(name) = text(memory, name) else { continue };
            let is_short = text(memory, text_of).is_some_and(|it| it == "int16_t" || it == "u2");
            let offset = offset.min(OFFSET_MAX);
            let field = TableField { offset, address, is_short };
            tables.fields.insert(format!("{kind}.{name}"), field);
        }
        for entry in entries(types, type_stride) {
            let name = word(memory, entry.checked_add(size[0])?)?;
            if name == 0 {
                break;
            }
            let Some(name) = text(memory, name).filter(|name| is_used(name)) else { continue };
            let size = word(memory, entry.checked_add(size[1])?)?.clamp(1, OFFSET_MAX);
            tables.sizes.insert(name, size);
        }
        Some(tables)
    }

    /// The field under the first of its names, which changed with versions.
    pub(super) fn field(&self, names: &[&'static str]) -> Result<TableField, HotSpotLayoutError> {
        let found = names.iter().find_map(|name| self.fields.get(*name).copied());
        found.ok_or(HotSpotLayoutError::Missing(names[0]))
    }

    pub(super) fn number(&self, name: &'static str) -> Result<Field, HotSpotLayoutError> {
        let found = self.field(&[name])?;
        Ok(Field { at: found.offset, is_short: found.is_short })
    }

    pub(super) fn size(&self, name: &'static str) -> Result<u64, HotSpotLayoutError> {
        self.sizes.get(name).copied().ok_or(HotSpotLayoutError::Missing(name))
    }
}

/// Whether fields of a type are used.
fn is_used(kind: &str) -> bool {
    const TYPES: [&str; 17] = [
        "CodeCache",
        "CodeHeap",
        "VirtualSpace",
        "HeapBlock",
        "GrowableArrayBase",
        "GenericGrowableArray",
        "GrowableArray<int>",
        "CodeBlob",
        "CompiledMethod",
        "nmethod",
        "PcDesc",
        "Method",
        "ConstMethod",
        "ConstantPool",
        "Klass",
        "Symbol",
        "Abstract_VM_Version",
    ];
    TYPES.contains(&kind)
}

fn entries(start: u64, stride: u64) -> impl Iterator<Item = u64> {
    let stride = stride.clamp(8, ENTRY_MAX);
    (0..ENTRIES_MAX).map_while(move |nth| start.checked_add(nth * stride))
}

const ENTRIES_MAX: u64 = 1 << 13;
const ENTRY_MAX: u64 = 1 << 10;
const OFFSET_MAX: u64 = 1 << 16;
